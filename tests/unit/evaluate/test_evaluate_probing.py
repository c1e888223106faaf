"""A probe keeps each part when it is done, and what it finds is a device of its own."""

import math
from dataclasses import replace

import pytest

from burnish.errors import ConfigError, UnsupportedDeviceError
from burnish.evaluate import this_device as this
from burnish.evaluate.peak import machine_peak
from burnish.evaluate.probing import kept_peak, machine_store, probe
from burnish.evaluate.processor import processor
from burnish.evaluate.products import ENGINES, MEASURED_DTYPES
from burnish.evaluate.this_device import processor_device, this_device
from burnish.hardware.catalog import devices
from burnish.hardware.catalog.figures import of
from burnish.hardware.device import Device
from burnish.hardware.exporting import add_device, name_of
from burnish.hardware.probe import ProbeConfig

TINY = ProbeConfig(
    sizes=(16,),
    rounds=2,
    min_sample_s=0.0,
    budget_s=0.5,
    stream_bytes=1 << 18,
    chain_lengths=(4, 64),
    sustain_s=0.02,
    idle_s=0.0,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def found(folder):
    return probe(processor(1), machine_store(folder), TINY)


def test_every_dtype_and_engine_has_a_figure_or_a_reason(found):
    assert {*found.peaks, *found.no_peaks} == set(MEASURED_DTYPES)
    assert {*found.overheads, *found.no_overheads} == set(ENGINES)
    assert all([*found.no_peaks.values(), *found.no_overheads.values()])
    for dtype, peak in found.peaks.items():
        assert peak.value.dtype == dtype
        assert 0 < peak.value.flops.value < math.inf
        assert peak.value.threads == 1
    assert bool(found.no_energy) == (not found.sustained.value.energy)


def test_what_is_known_is_not_measured_again(found, folder):
    assert probe(processor(1), machine_store(folder), TINY) == found
    assert machine_peak(1, dtype="int8", config=TINY, folder=folder) == found.peaks["int8"].value


def test_more_effort_or_an_older_format_is_measured_again(tmp_path):
    store, subject = machine_store(tmp_path), processor(1)
    first = kept_peak(subject, "float32", store, TINY)
    more = ProbeConfig(sizes=(16,), rounds=3, min_sample_s=0.0)
    assert kept_peak(subject, "float32", store, more).value.flops.n == 3 > first.value.flops.n
    assert kept_peak(subject, "float32", store, TINY).value.flops.n == 3  # more than asked will do
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text().replace('"format": ', '"format": 9'))
    assert kept_peak(subject, "float32", store, TINY).value.flops.n == 2


def test_an_interrupted_probe_goes_on_where_it_stopped(tmp_path):
    store = machine_store(tmp_path)

    def interrupt(part, _done, _all):
        if part == "float16 product":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        probe(processor(1), store, TINY, on_progress=interrupt)
    done = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(done) == 2  # float64 and float32
    parts = []
    whole = probe(processor(1), store, TINY, on_progress=lambda *told: parts.append(told))
    assert {name: (tmp_path / name).read_bytes() for name in done} == done
    assert parts[-1] == ("", len(parts) - 1, len(parts) - 1)
    assert [told[1] for told in parts] == list(range(len(parts)))
    with pytest.raises(KeyboardInterrupt):  # to forget is the first that a refresh does
        probe(processor(1), store, TINY, refresh=True, on_progress=interrupt)
    assert len(list(tmp_path.iterdir())) == 2
    assert whole.peaks["float32"].value.engine


def test_a_machine_whose_engines_all_refuse_says_why(tmp_path):
    subject = processor(1)
    nothing = type(subject)(
        name="none",
        dtypes=("float32",),
        products=lambda _: ({}, {"engine": "it is tired"}),
        memory=subject.memory,
        chains={},
        operator="",
        meter=subject.meter,
    )
    with pytest.raises(
        UnsupportedDeviceError, match="no engine here multiplies float32: engine: it is tired"
    ):
        probe(nothing, machine_store(tmp_path), TINY)


def test_the_device_has_a_source_for_every_figure(found):
    device = processor_device(found)
    assert (device.name, device.kind, device.origin) == ("this-machine", "cpu", "measured")
    assert device.peak("float32") == found.peaks["float32"].value.flops.value
    assert device.bandwidth == found.memory.value.best[1].value
    assert set(device.sources) == {name for name, _ in of(device)} | ({"idle_w"} if device.idle_w else set())
    engine = found.peaks["float32"].value.engine
    date = found.peaks["float32"].date
    assert device.sources["peaks.float32"].startswith(
        f"measured on {date} with {engine}, product of size 16, 2 samples"
    )


def test_the_power_is_the_limit_that_the_system_tells(found, monkeypatch):
    monkeypatch.setattr(this, "rapl_limit_w", lambda: 125.0)
    device = processor_device(found)
    assert device.power_w == 125
    assert "limit" in device.sources["power_w"]


def test_this_device_is_taken_from_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(ProbeConfig, "quick", classmethod(lambda _: TINY))
    first = this_device(quick=True, threads=1)
    assert first == this_device(quick=True, threads=1)
    assert this_device(quick=True, threads=1, refresh=True).peaks != first.peaks


def test_a_measured_device_is_read_back_elsewhere(found, tmp_path):
    device, path = processor_device(found), tmp_path / "devices.toml"
    add_device(path, device, "mine")
    add_device(path, device, name_of(device))
    add_device(path, device, "mine")
    known = devices(path)
    for name in ("mine", name_of(device)):
        assert known[name].peaks == device.peaks
        assert known[name].bandwidth == device.bandwidth
        assert known[name].overhead_s == device.overhead_s
        assert known[name].sources["bandwidth"] == device.sources["bandwidth"]
        assert known[name].title == device.title
        assert known[name].origin == "measured"


def test_idle_power_is_written_and_read(found, tmp_path):
    path = tmp_path / "devices.toml"
    device = replace(processor_device(found), power_w=100.0, idle_w=20.0)
    sources = {**device.sources, "power_w": "counted", "idle_w": "counted before"}
    add_device(path, replace(device, sources=sources), "mine")
    assert devices(path)["mine"].idle_w == 20
    assert devices(path)["mine"].sources["idle_w"] == "counted before"


def test_sources_of_an_older_measurement_go_with_it(found, tmp_path):
    device, path = processor_device(found), tmp_path / "devices.toml"
    path.write_text('[sources.unused]\ntitle = "an old list"\n')
    for day in ("Monday", "Tuesday"):
        add_device(path, replace(device, sources=dict.fromkeys(device.sources, f"measured on {day}")), "mine")
    assert "Tuesday" in path.read_text()
    assert "Monday" not in path.read_text()
    assert "an old list" not in path.read_text()


@pytest.mark.parametrize(
    ("title", "name"), [("NVIDIA L4", "nvidia-l4-measured"), ("(tm)", "tm-measured"), ("", "gpu-measured")]
)
def test_a_measured_device_is_not_called_as_one_of_the_catalogue(title, name):
    assert name_of(Device(name="this-machine-cuda-0", title=title, kind="gpu")) == name


@pytest.mark.parametrize(
    "name", ["nvidia-l4", "NVIDIA L4", "l4", "this-machine", "this-machine-2", "all", "cpu", "", "a,b", " a"]
)
def test_names_with_another_meaning_are_refused(found, tmp_path, name):
    with pytest.raises(ConfigError, match="--name"):
        add_device(tmp_path / "devices.toml", processor_device(found), name)
    assert not list(tmp_path.iterdir())


def test_a_device_that_was_not_measured_gets_no_measured_figures(found, tmp_path):
    path = tmp_path / "devices.toml"
    path.write_text('[devices.box]\ntitle = "Our box"\nkind = "cpu"\n')
    with pytest.raises(ConfigError, match="was not measured"):
        add_device(path, processor_device(found), "box")
