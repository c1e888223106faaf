"""Flag > environment > file > default, and nothing is ignored."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from burnish.config import from_mapping, load_config, read_toml
from burnish.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    depth: int = 1
    mode: Literal["fast", "exact"] = "fast"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    width: int = 10
    rate: float = 0.5
    names: tuple[str, ...] = ()
    inner: Inner = field(default_factory=lambda: Inner(depth=7))

    def __post_init__(self):
        if self.width < 1:
            raise ValueError(f"width must be at least 1, got {self.width}")


def _file(tmp_path, text):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


def test_defaults_alone():
    assert load_config(Outer) == Outer()


def test_each_source_wins_over_the_one_below(tmp_path):
    path = _file(tmp_path, "width = 2\nrate = 0.2\nnames = ['file']")
    environ = {"OUTER_RATE": "0.3", "OUTER_WIDTH": "3", "UNRELATED": "1"}
    made = load_config(
        Outer, file=path, env_prefix="OUTER_", environ=environ, flags={"width": 4, "rate": None}
    )
    assert (made.width, made.rate, made.names) == (4, 0.3, ("file",))


def test_a_table_given_in_part_keeps_the_rest_of_its_default(tmp_path):
    path = _file(tmp_path, "[inner]\nmode = 'exact'")
    assert load_config(Outer, file=path).inner == Inner(depth=7, mode="exact")
    both = load_config(Outer, file=path, flags={"inner": {"depth": 9, "mode": None}})
    assert both.inner == Inner(depth=9, mode="exact")


def test_flags_without_a_value_change_nothing():
    assert load_config(Outer, flags={"width": None, "inner": {"depth": None}}) == Outer()


def test_section_of_a_larger_file(tmp_path):
    path = _file(tmp_path, "[a.b]\nwidth = 3\n[other]\nx = 1")
    assert load_config(Outer, file=path, section="a.b").width == 3
    assert load_config(Outer, file=path, section="absent") == Outer()


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("widht = 3", "unknown key 'widht'", "did you mean 'width'?"),
        ("[inner]\ndeep = 3", "inner: unknown key 'deep'", "depth"),
        ("width = '3'", "width = '3'", ""),
        ("width = 1.5", "width = 1.5", ""),
        ("[inner]\nmode = 'slow'", "mode = 'slow'", ""),
        ("width = 0", "width must be at least 1, got 0", ""),
        ("width = ", "not valid TOML", ""),
    ],
)
def test_a_faulty_file_is_one_clear_error(tmp_path, text, says, hint):
    with pytest.raises(ConfigError) as caught:
        load_config(Outer, file=_file(tmp_path, text))
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_the_source_is_named(tmp_path):
    path = _file(tmp_path, "nope = 1")
    with pytest.raises(ConfigError, match=r"settings\.toml"):
        load_config(Outer, file=path)
    with pytest.raises(ConfigError, match=r"environment OUTER_\*"):
        load_config(Outer, env_prefix="OUTER_", environ={"OUTER_NOPE": "1"})
    with pytest.raises(ConfigError, match="command line"):
        load_config(Outer, flags={"nope": 1})
    with pytest.raises(ConfigError, match="the body"):
        from_mapping(Outer, {"nope": 1}, source="the body")


def test_missing_file_and_section_that_is_no_table(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="must be a table"):
        load_config(Outer, file=_file(tmp_path, "a = 1"), section="a")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_toml(tmp_path / "binary.toml")
