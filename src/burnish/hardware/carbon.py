"""What the energy of an inference emits where it is drawn."""

from burnish.hardware.tco import JOULES_PER_KWH


def grams_per_million(joules: float, *, pue: float, carbon_g_per_kwh: float) -> float:
    """Return grams of CO2 equivalent of a million inferences; making the device is not in it.

    Args:
        joules: That the device draws for one.
        pue: Power usage effectiveness: what the whole site draws for each watt of its devices.
        carbon_g_per_kwh: Intensity of the electricity.

    >>> grams_per_million(3.6, pue=1.5, carbon_g_per_kwh=400.0)
    600.0
    """
    return joules * 1e6 / JOULES_PER_KWH * pue * carbon_g_per_kwh
