"""What inferences cost: a device bought and fed, or rented.

    USD per million = (amortised purchase + energy * PUE * price + operations + rack, or rent + operations)
                      / (throughput * share of the time at work with which the latency objective holds)

The defaults are assumptions, not measured figures: set those that you know. A bought device is priced alone unless
``host_usd`` holds the share of the server around it; a rented one comes with its server.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from burnish.errors import ConfigError
from burnish.hardware.device import Device

HOURS_PER_YEAR = 8766.0
"""365.25 days."""
SECONDS_PER_YEAR = HOURS_PER_YEAR * 3600
JOULES_PER_KWH = 3.6e6

Way = Literal["cheaper", "buy", "rent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostOptions:
    """Prices and habits that a cost depends on."""

    way: Way = "cheaper"
    """``buy``, ``rent``, or ``cheaper``: whichever of the known is."""
    years: float = 3.0
    """Time over which a purchase is paid off, and that the total is for."""
    utilisation: float = 0.6
    """Share of the time that a device is at work, at most."""
    electricity_usd_per_kwh: float = 0.12
    """Price of electricity."""
    pue: float = 1.5
    """Power usage effectiveness: watts of the site for each watt of its devices."""
    operations_usd_per_year: float = 0.0
    """Work of people, for each device."""
    rack_usd_per_year: float = 0.0
    """Room, network and repair, for each bought device."""
    host_usd: float = 0.0
    """Share of the server around each bought device; one of the kind ``edge`` is a computer of its own."""
    discount_rate: float = 0.0
    """By how much money a year later is worth less: 0.05 for 5%."""
    carbon_g_per_kwh: float | None = None
    """Grams of CO2 equivalent for each kWh; without it no emission is given."""
    offer: str = ""
    """Only rents whose offer's name holds this text, such as ``aws``."""
    spot: bool = False
    """Whether offers that may be withdrawn at any time count too."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """USD for one device, by its name; it wins over the catalogue's."""
    rents: Mapping[str, float] = field(default_factory=dict)
    """USD for an hour, by the device's name; it wins over the catalogue's."""
    power_w: Mapping[str, float] = field(default_factory=dict)
    """Watts under load, by the device's name; it wins over the catalogue's."""
    idle_w: Mapping[str, float] = field(default_factory=dict)
    """Watts at rest, by the device's name; without one a device draws its power under load all the time."""

    def __post_init__(self) -> None:
        """Refuse what no bill can hold."""
        for name in _AMOUNTS:
            value = getattr(self, name)
            if value is not None:
                _check_amount(name, value)
        for name in _TABLES:
            for device, value in getattr(self, name).items():
                _check_amount(f"{name}, {device}", value)
        if not self.years > 0:
            raise ConfigError(f"cost: years = {self.years:g} is not above 0", hint="such as 3")
        if not 0 < self.utilisation <= 1:
            raise ConfigError(
                f"cost: utilisation = {self.utilisation:g} is not within (0, 1]", hint="such as 0.6 for 60%"
            )
        if self.pue < 1:
            raise ConfigError(
                f"cost: pue = {self.pue:g} is below 1", hint="a site draws at least what its devices draw"
            )


@dataclass(frozen=True, slots=True)
class Yearly:
    """What one device costs in a year, USD."""

    way: Literal["bought", "rented"]
    basis: str
    """Where the price comes from."""
    purchase: float = 0.0
    """The amortised part of it."""
    energy: float = 0.0
    operations: float = 0.0
    rack: float = 0.0
    rent: float = 0.0

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """Return the parts by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("way", "basis")}


def yearly(device: Device, options: CostOptions, *, mean_w: float | None) -> Yearly | None:
    """Return what a device costs in a year, in the way asked for; None where no price is known.

    Args:
        device: Its price and rents are used where the options hold none.
        options: Prices.
        mean_w: What it draws on average; None where that is unknown, and then only renting has a cost.
    """
    ways = [
        found
        for way, make in (("buy", _bought), ("rent", _rented))
        if options.way in ("cheaper", way) and (found := make(device, options, mean_w)) is not None
    ]
    return min(ways, key=lambda one: one.total) if ways else None


def price_known(device: Device, options: CostOptions) -> bool:
    """Return whether there is a price or a rent in the way asked for, however much the device draws."""
    return yearly(device, options, mean_w=0.0) is not None


def annuity(years: float, discount_rate: float) -> float:
    """Return today's worth of one USD in each of some years.

    >>> annuity(3, 0.0), round(annuity(3, 0.05), 4)
    (3.0, 2.7232)
    """
    if discount_rate == 0:
        return float(years)
    return (1 - math.exp(-years * math.log1p(discount_rate))) / discount_rate


def usd_per_million(usd_per_year: float, *, rows_per_s: float, utilisation: float) -> float:
    """Return the cost of a million inferences of a device that is at work for a share of the time.

    >>> usd_per_million(SECONDS_PER_YEAR, rows_per_s=100.0, utilisation=0.5)
    20000.0
    """
    return usd_per_year * 1e6 / (rows_per_s * utilisation * SECONDS_PER_YEAR)


def _bought(device: Device, options: CostOptions, mean_w: float | None) -> Yearly | None:
    price = options.prices.get(device.name, device.price_usd)
    if price is None or mean_w is None:
        return None
    host = 0.0 if device.kind == "edge" else options.host_usd
    kwh = mean_w / 1000 * HOURS_PER_YEAR * options.pue
    basis = "given" if device.name in options.prices else device.sources.get("price_usd", "no source")
    return Yearly(
        "bought",
        basis,
        purchase=(price + host) / annuity(options.years, options.discount_rate),
        energy=kwh * options.electricity_usd_per_kwh,
        operations=options.operations_usd_per_year,
        rack=options.rack_usd_per_year,
    )


def _rented(device: Device, options: CostOptions, mean_w: float | None) -> Yearly | None:  # noqa: ARG001
    if device.name in options.rents:
        rent, basis = options.rents[device.name], "given"
    else:
        offers = {name: usd for name, usd in device.rents_usd_per_h.items() if _wanted(name, options)}
        if not offers:
            return None
        offer = min(offers, key=lambda name: offers[name])
        rent, basis = offers[offer], f"{offer}: {device.sources.get(f'rents_usd_per_h.{offer}', 'no source')}"
    return Yearly("rented", basis, operations=options.operations_usd_per_year, rent=rent * HOURS_PER_YEAR)


def _wanted(offer: str, options: CostOptions) -> bool:
    return options.offer.lower() in offer.lower() and (options.spot or "spot" not in offer.lower())


def _check_amount(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"cost: {name} = {value:g} is not a number of at least 0", hint="give 0 or more")


_AMOUNTS = tuple(
    "years utilisation electricity_usd_per_kwh pue operations_usd_per_year rack_usd_per_year host_usd "
    "discount_rate carbon_g_per_kwh".split()
)
_TABLES = ("prices", "rents", "power_w", "idle_w")
