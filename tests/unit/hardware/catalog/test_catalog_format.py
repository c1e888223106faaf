"""A file of devices is read strictly, and merged figure by figure."""

import tomllib

import pytest

from burnish.errors import ConfigError
from burnish.hardware.catalog import devices, user_file
from burnish.hardware.catalog.format import read
from burnish.hardware.catalog.loading import packaged

GOOD = """
[sources.bench]
title = "our bench"
url = "https://example.org/bench"

[devices.acme]
title = "ACME Edge 1"
kind = "edge"

[[devices.acme.figures]]
source = "bench"
note = "room 3"
peaks = { int8 = 8e12 }
power_w = 12
"""


def _read(text):
    return read(tomllib.loads(text), label="mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[sources.bench]", "[source.bench]", ["unknown key 'source'", "did you mean 'sources'?"]),
        ('title = "our bench"', 'titel = "our bench"', ["source 'bench'", "unknown key 'titel'", "'title'"]),
        ('title = "our bench"', "", ["source 'bench' has no title"]),
        ('kind = "edge"', 'knid = "edge"', ["device 'acme'", "unknown key 'knid'", "'kind'"]),
        ('kind = "edge"', 'kind = "phone"', ["device 'acme'", "kind = 'phone'"]),
        ('kind = "edge"', "", ["device 'acme'", "has no kind"]),
        ('title = "ACME Edge 1"', "", ["device 'acme'", "has no title"]),
        ('kind = "edge"', 'kind = "edge"\npower_w = 3', ["unknown key 'power_w'", "devices.NAME.figures"]),
        ("power_w = 12", "power = 12", ["device 'acme', figures 1", "unknown key 'power'", "'power_w'"]),
        ("power_w = 12", "power_w = -12", ["power_w = -12", "more than 0"]),
        ("power_w = 12", "power_w = 0", ["power_w = 0", "more than 0"]),
        ("power_w = 12", "power_w = nan", ["power_w = nan", "not finite"]),
        ("power_w = 12", "power_w = inf", ["power_w = inf", "not finite"]),
        ("power_w = 12", 'power_w = "12"', ["power_w = '12'"]),
        ("power_w = 12", "price_usd = -1", ["price_usd = -1", "0 or more"]),
        ("power_w = 12", "rents_usd_per_h = { cheap = -0.1 }", ["rents_usd_per_h.cheap = -0.1"]),
        ("int8 = 8e12", "int88 = 8e12", ["peaks: unknown dtype 'int88'", "'int8'"]),
        ("int8 = 8e12", "int8 = 0", ["peaks.int8 = 0", "more than 0"]),
        ('source = "bench"', 'source = "benhc"', ["unknown source 'benhc'", "'bench'"]),
        ('source = "bench"', "", ["figures 1", "has no source"]),
        ("[[devices.acme.figures]]", "[devices.acme.figures]", ["figures must be tables"]),
        ("[devices.acme]", "[devices]\nother = 3\n[devices.acme]", ["devices.other must be a table"]),
    ],
)
def test_what_is_wrong_is_named(old, new, said):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        _read(GOOD.replace(old, new, 1))
    assert str(caught.value).startswith("mine.toml")
    for part in said:
        assert part in str(caught.value)


def test_a_figure_is_stated_once():
    twice = GOOD + '[[devices.acme.figures]]\nsource = "bench"\npeaks = { int8 = 9e12 }\n'
    with pytest.raises(ConfigError, match=r"peaks\.int8 is stated twice"):
        _read(twice)


def test_a_new_device_has_its_figures_with_their_sources(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(GOOD)
    acme = devices(file)["acme"]
    assert (acme.title, acme.kind, acme.origin) == ("ACME Edge 1", "edge", "user")
    assert (acme.peak("int8"), acme.power_w, acme.memory_bytes) == (8e12, 12, None)
    assert acme.sources == dict.fromkeys(
        ("peaks.int8", "power_w"), "our bench (https://example.org/bench); room 3"
    )


def test_figures_of_a_known_device_replace_its_own_one_by_one(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        '[sources.bench]\ntitle = "our bench"\n[[devices.nvidia-l4.figures]]\nsource = "bench"\n'
        "peaks = { int8 = 1e14 }\nrents_usd_per_h = { rack = 0.4 }\n"
    )
    shipped, ours = packaged()["nvidia-l4"], devices(file)["nvidia-l4"]
    assert ours.peaks == {**shipped.peaks, "int8": 1e14}
    assert ours.rents_usd_per_h == {**shipped.rents_usd_per_h, "rack": 0.4}
    assert ours.sources == {
        **shipped.sources,
        "peaks.int8": "our bench",
        "rents_usd_per_h.rack": "our bench",
    }
    assert (ours.title, ours.bandwidth, ours.origin) == (shipped.title, shipped.bandwidth, "user")
    assert packaged()["nvidia-l4"] == shipped


def test_a_price_alone_does_not_make_it_a_device_of_the_users(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        '[sources.shop]\ntitle = "shop"\n[[devices.nvidia-l4.figures]]\nsource = "shop"\nprice_usd = 2500\n'
    )
    assert devices(file)["nvidia-l4"].price_usd == 2500
    assert devices(file)["nvidia-l4"].origin == "catalogue"


def test_a_device_that_is_not_known_needs_a_kind(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[sources.a]\ntitle = "a"\n[[devices.nvidia-l5.figures]]\nsource = "a"\npower_w = 1\n')
    with pytest.raises(ConfigError, match=r"mine\.toml: device 'nvidia-l5' is not known.*nvidia-l4"):
        devices(file)


def test_the_users_file_is_found_where_configuration_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_file() == tmp_path / "burnish" / "devices.toml"
    assert "acme" not in devices()
    user_file().parent.mkdir()
    user_file().write_text(GOOD)
    assert devices()["acme"].kind == "edge"


def test_a_file_that_is_asked_for_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        devices(tmp_path / "absent.toml")
