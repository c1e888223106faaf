"""Measurements are kept by machine, and a broken file only means measuring again."""

from dataclasses import dataclass

import pytest

from burnish.errors import InputError
from burnish.hardware.store import ProbeStore, cache_folder


@dataclass(frozen=True)
class Reading:
    value: float


@pytest.fixture
def store(tmp_path):
    return ProbeStore("this machine", tmp_path)


def test_what_was_saved_is_loaded(store):
    assert store.load("peak", Reading) is None
    store.save("peak", Reading(3.5))
    assert store.load("peak", Reading) == Reading(3.5)
    assert store.load("memory", Reading) is None


def test_where_nothing_can_be_written_the_value_is_there_and_one_warning(tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    store = ProbeStore("this machine", tmp_path / "file" / "cache")
    for kind in ("peak", "memory"):
        assert store.once(kind, Reading, lambda: Reading(1.0)).value == Reading(1.0)
    assert store.load("peak", Reading) is None
    assert caplog.text.count("not kept") == 1


def test_what_cannot_be_forgotten_is_told(store, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "unlink", refused)
    with pytest.raises(InputError, match="cannot be removed: Permission denied"):
        store.forget("peak")


def test_another_machine_has_its_own(store, tmp_path):
    store.save("peak", Reading(3.5))
    other = ProbeStore("another machine", tmp_path)
    assert other.load("peak", Reading) is None
    other.save("peak", Reading(1.0))
    assert store.load("peak", Reading) == Reading(3.5)


@pytest.mark.parametrize("content", [b"", b"{", b'{"value": "much"}', b"\xff\xfe"])
def test_a_file_that_cannot_be_read_counts_as_none(store, content):
    store.save("peak", Reading(3.5)).write_bytes(content)
    assert store.load("peak", Reading) is None


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "burnish"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "burnish")


def test_a_measurement_is_made_once_and_again_for_more_effort(store):
    made = []

    def measure():
        made.append(Reading(float(len(made))))
        return made[-1]

    assert store.once("peak", Reading, measure, effort=3).value == Reading(0)
    assert store.once("peak", Reading, measure, effort=2).value == Reading(0)
    assert store.once("peak", Reading, measure, effort=5).value == Reading(1)
    assert store.once("peak", Reading, measure, effort=5, refresh=True).value == Reading(2)
    store.forget("peak")
    store.forget("peak")
    assert store.known("peak", Reading) is None
    assert store.once("peak", Reading, measure).date.count("-") == 2


def test_a_measurement_that_fails_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError):
        store.once("peak", Reading, lambda: 1 / 0)
    assert store.known("peak", Reading) is None
