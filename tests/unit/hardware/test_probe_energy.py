"""Energy counters are read from real files of the kernel's form, and from NVML's functions."""

from types import SimpleNamespace

import pytest

from burnish.hardware.probe import NvmlMeter, nvml_meter, rapl, rapl_limit_w, rapl_meter

RANGE_UJ = 262_143_328_850


class Powercap:
    """A tree of zones below a root."""

    def __init__(self, root):
        self.root = root
        self.folder = root / "sys/class/powercap"

    def zone(self, path, name, energy_uj=0):
        folder = self.folder / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        (folder / "energy_uj").write_text(f"{energy_uj}\n")
        return folder

    def count(self, path, energy_uj):
        (self.folder / path / "energy_uj").write_text(f"{energy_uj}\n")


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path)


def test_packages_and_memory_add_up_and_parts_of_them_do_not(powercap):
    zones = {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "core",
        "intel-rapl:0:1": "dram",
        "intel-rapl:1": "package-1",
        "intel-rapl:2": "psys",
        "intel-rapl-mmio:0": "package-0",
    }
    for path, name in zones.items():
        powercap.zone(path, name)
    meter, reason = rapl_meter(powercap.root)
    assert meter is not None
    assert reason == ""
    assert meter.joules() == 0
    for path in zones:
        powercap.count(path, 2_000_000)
    assert meter.joules() == pytest.approx(6)
    assert meter.name == "rapl package-0 + dram + package-1"


def test_a_counter_that_wraps_around_goes_on(powercap):
    powercap.zone("intel-rapl:0", "package-0", RANGE_UJ - 1_000_000 + 1)
    meter, _ = rapl_meter(powercap.root)
    powercap.count("intel-rapl:0", 500_000)
    assert meter.joules() == pytest.approx(1.5)
    powercap.count("intel-rapl:0", 700_000)
    assert meter.joules() == pytest.approx(1.7)
    powercap.count("intel-rapl:0", 0)
    assert meter.joules() > 262_000


def test_the_reason_tells_why_there_is_no_meter(powercap, monkeypatch):
    meter, reason = rapl_meter(powercap.root)
    assert meter is None
    assert "virtual machine" in reason
    powercap.folder.mkdir(parents=True)
    assert "no zone of a package" in rapl_meter(powercap.root)[1]
    folder = powercap.zone("intel-rapl:0", "package-0")
    (folder / "energy_uj").write_text("many\n")
    assert "cannot be read" in rapl_meter(powercap.root)[1]

    def denied(_):
        raise PermissionError

    monkeypatch.setattr(rapl, "_number", denied)  # root, who may run these tests, is denied nothing
    assert "root alone" in rapl_meter(powercap.root)[1]


def test_the_long_term_limits_of_all_packages_add_up(powercap):
    assert rapl_limit_w(powercap.root) is None
    for package in (0, 1):
        folder = powercap.zone(f"intel-rapl:{package}", f"package-{package}")
        (folder / "constraint_0_name").write_text("long_term\n")
        (folder / "constraint_0_power_limit_uw").write_text("125000000\n")
        (folder / "constraint_1_name").write_text("short_term\n")
        (folder / "constraint_1_power_limit_uw").write_text("250000000\n")
    assert rapl_limit_w(powercap.root) == 250
    (folder / "constraint_0_power_limit_uw").write_text("0\n")
    assert rapl_limit_w(powercap.root) is None


class Refused(Exception):
    """As NVML raises for what a card does not have."""


def nvml(energy_mj, power_mw):
    """Return the functions of NVML that a meter calls; an empty list of energies refuses."""

    def energy(_):
        if not energy_mj:
            raise Refused
        return energy_mj.pop(0)

    return SimpleNamespace(
        NVMLError=Refused,
        nvmlDeviceGetTotalEnergyConsumption=energy,
        nvmlDeviceGetPowerUsage=lambda _: power_mw.pop(0),
    )


def test_a_card_with_a_counter_is_read_by_it():
    meter = NvmlMeter(nvml([5_000, 5_000, 12_500], []), None, "card")
    assert [meter.joules(), meter.joules()] == [0, 7.5]


def test_a_card_without_a_counter_is_read_by_its_power():
    seconds = iter((0.0, 2.0, 3.0))
    meter = NvmlMeter(nvml([], [100_000, 200_000, 200_000]), None, "card", clock=lambda: next(seconds))
    assert [meter.joules(), meter.joules()] == [300, 500]


def test_without_nvml_the_reason_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    meter, reason = nvml_meter("GPU-0")
    assert meter is None
    assert "nvidia-ml-py" in reason
