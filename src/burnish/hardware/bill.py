"""What a fleet takes and costs: energy, money and emission."""

from dataclasses import dataclass, replace

from burnish.hardware.capacity import Fleet
from burnish.hardware.carbon import grams_per_million
from burnish.hardware.device import Device
from burnish.hardware.power import Power
from burnish.hardware.tco import CostOptions, Yearly, annuity, usd_per_million, yearly


@dataclass(frozen=True, slots=True)
class Bill:
    """Figures of a fleet; None where the device has no power or no price."""

    joules: float | None
    """Of one example, while the device works."""
    fleet_joules: float | None
    """Of one example, with what the fleet draws at rest."""
    yearly: Yearly | None
    """Of one device under the traffic."""
    usd_per_million: float | None
    """Of one device at the highest load, within the allowed utilisation, with which the fleet holds the objective."""
    tco_usd: float | None
    """Of the fleet over the years, in today's worth."""
    grams_per_million: float | None
    """Of CO2 equivalent, by the fleet's energy."""


def bill(device: Device, fleet: Fleet, power: Power | None, options: CostOptions) -> Bill:
    """Work out what a fleet takes and costs.

    The cost of a million is that of a year over what a device answers in it at `Fleet.held_load`, so that the fleet
    under its traffic never costs less a million than this, and as much where the traffic leaves it no spare.
    """
    busy_w = power.mean_w(fleet.load) if power is not None else None
    cost = yearly(device, options, mean_w=busy_w)
    million = tco = grams = None
    if cost is not None:
        same_way = replace(options, way="buy" if cost.way == "bought" else "rent")
        held = fleet.held_load
        usual = yearly(device, same_way, mean_w=None if power is None else power.mean_w(held))
        tco = fleet.devices * cost.total * annuity(options.years, options.discount_rate)
        if usual is not None:
            million = usd_per_million(usual.total, rows_per_s=fleet.rows_per_s, utilisation=held)
    fleet_joules = None if busy_w is None else fleet.devices * busy_w / fleet.traffic_rps
    if fleet_joules is not None and options.carbon_g_per_kwh is not None:
        grams = grams_per_million(fleet_joules, pue=options.pue, carbon_g_per_kwh=options.carbon_g_per_kwh)
    joules = None if power is None else power.joules(fleet.response.service_s, fleet.batch)
    return Bill(joules, fleet_joules, cost, million, tco, grams)
