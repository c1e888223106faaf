"""Whose device it is that a cloud lets: offers become rents of devices, and none is dropped in silence."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from burnish.hardware.catalog.figures import Figures
from burnish.hardware.catalog.finding import names, plain, spellings
from burnish.hardware.catalog.format import Catalogue, Entry, Source
from burnish.hardware.catalog.offers import Offer
from burnish.hardware.catalog.tables import Imported
from burnish.hardware.device import Device


def rents_of(
    offers: Iterable[Offer], known: Mapping[str, Device], source: Source, *, match: str = ""
) -> Imported:
    """Add offers to the devices that they are of.

    Args:
        offers: What is for rent.
        known: The devices that are known.
        source: The price list.
        match: Take only offers of GPUs whose name contains this; case does not matter.

    Returns:
        Rents by device; offers of which the device is not known, or not certain, are counted and named.
    """
    rents: defaultdict[str, dict[str, float]] = defaultdict(dict)
    left: Counter[str] = Counter()
    spelled = spellings(known)
    for offer in offers:
        if match.lower() not in offer.gpu.lower():
            continue
        device, why = _device(offer, known, spelled)
        if device is None:
            left[why] += 1
            continue
        seen = rents[device.name]  # a list may have an offer twice: the lower price is what one can get
        seen[str(offer)] = min(round(offer.usd_per_h, 4), seen.get(str(offer), float("inf")))
    note = "per GPU, on demand"
    entries = {
        name: Entry(origin="imported", figures=(Figures(source="prices", note=note, rents_usd_per_h=found),))
        for name, found in rents.items()
    }
    return Imported(Catalogue(sources={"prices": source} if entries else {}, devices=entries), left)


def _device(
    offer: Offer, known: Mapping[str, Device], spelled: Mapping[str, Device]
) -> tuple[Device | None, str]:
    """Return whose offer it is, or None and why that is not known."""
    for rule in names()["offers"]:
        if not (
            plain(rule["gpu"]) == plain(offer.gpu)
            and fnmatchcase(offer.provider.lower(), rule["provider"].lower())
            and fnmatchcase(plain(offer.instance), re.sub(r"[^0-9a-z*]", "", rule["instance"].lower()))
        ):
            continue
        if "left_out" in rule:
            return None, f"{offer.gpu} as {offer.provider} {offer.instance}: {rule['left_out']}"
        return known.get(rule["device"]), f"{offer.gpu}: {rule['device']} is not known"
    bare, _, memory = offer.gpu.partition("(")
    device = spelled.get(plain(offer.gpu)) or spelled.get(plain(bare))
    if device is None:
        return None, f"{offer.gpu}: no device of this name, or more than one"
    stated = re.match(r"[\d.]+", memory)
    if stated and device.memory_bytes and abs(float(stated[0]) * 1e9 / device.memory_bytes - 1) > 0.1:
        return None, f"{offer.gpu}: {device.name} has another memory"
    return device, ""
