"""The page of devices is current, and its example of a user's file is one."""

import re
import runpy
from pathlib import Path

from burnish.hardware.catalog import devices
from burnish.hardware.catalog.loading import packaged

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts/devices_page.py"))


def test_page_is_current():
    assert SCRIPT["PAGE"].read_text(encoding="utf-8") == SCRIPT["page"](packaged()), (
        "run scripts/devices_page.py"
    )


def test_page_names_every_source_of_every_device():
    page = SCRIPT["page"](packaged())
    for device in packaged().values():
        assert f"\n### {device.name}\n" in page
        assert all(f": {source}\n" in page for source in device.sources.values())


def test_example_of_a_users_file_can_be_loaded(tmp_path):
    example = re.search(r"```toml\n(.*?)```", SCRIPT["page"](packaged()), re.DOTALL)[1]
    file = tmp_path / "devices.toml"
    file.write_text(example)
    known = devices(file)
    assert known["acme-edge-1"].overhead_s == 20e-6
    assert known["nvidia-l4"].price_usd == 2500
