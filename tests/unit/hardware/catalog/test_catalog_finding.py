"""Devices are found by what people call them."""

import re

import pytest

from burnish.errors import UnsupportedDeviceError
from burnish.hardware.catalog import find
from burnish.hardware.catalog.loading import packaged
from burnish.hardware.device import Device


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("nvidia-t4", "nvidia-t4"),
        ("Tesla T4", "nvidia-t4"),
        ("T4", "nvidia-t4"),
        ("NVIDIA A100 SXM4 80GB", "nvidia-a100-sxm4-80gb"),
        ("a100-sxm4-80gb", "nvidia-a100-sxm4-80gb"),
        ("NVIDIA A100-SXM-80GB", "nvidia-a100-sxm4-80gb"),
        ("NVIDIA Orin", "nvidia-jetson-agx-orin-64gb"),
        ("QUALCOMM Cloud AI 100 PCIe/HHHL Pro", "qualcomm-cloud-ai-100-pro"),
        ("Xeon Platinum 8480+", "intel-xeon-platinum-8480plus"),
        ("epyc 9654", "amd-epyc-9654"),
    ],
)
def test_other_names_lead_to_the_device(said, name):
    assert find(said, packaged()).name == name


def test_every_device_is_found_by_its_name_and_its_title():
    for device in packaged().values():
        assert find(device.name, packaged()) is device
        assert find(device.title.upper(), packaged()) is device


def test_an_unknown_device_is_an_error_that_names_the_nearest():
    with pytest.raises(UnsupportedDeviceError, match="nvidia-a100-sxm4-40gb"):
        find("nvidia-a100-sxm", packaged())
    with pytest.raises(UnsupportedDeviceError, match="burnish hardware list"):
        find("zzzzzz", packaged())
    with pytest.raises(UnsupportedDeviceError, match="unknown device ''"):
        find("", packaged())


def test_all_that_contain_what_was_said_are_named_first():
    with pytest.raises(UnsupportedDeviceError) as refused:
        find("a100", packaged())
    named = re.findall(r"'(nvidia[^']+)'", refused.value.hint)
    assert len(named) >= 4
    assert set(named[:4]) == {name for name in packaged() if "a100" in name}


def test_a_measured_card_takes_no_name_from_the_catalogue():
    mine = Device(name="nvidia-l4-measured", title="NVIDIA L4", kind="gpu", origin="measured")
    known = {**packaged(), mine.name: mine}
    assert find("NVIDIA L4", known).origin == find("l4", known).origin == "catalogue"
    assert find("nvidia l4 measured", known) is mine


def test_an_alias_needs_its_device():
    with pytest.raises(UnsupportedDeviceError):
        find("Tesla T4", {"nvidia-l4": packaged()["nvidia-l4"]})
