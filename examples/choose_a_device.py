"""Choose a device for a model before buying one: compute, power and cost in one matrix.

Run it with the core alone: ``python examples/choose_a_device.py``.
"""

from burnish.evaluate.device_choice import choose_devices
from burnish.evaluate.devices import EvaluateOptions, evaluate_devices
from burnish.hardware.tco import CostOptions
from burnish.hardware.weights import Weights
from burnish.testing.graphs import network

NAMES = ["nvidia-t4", "nvidia-l4", "nvidia-jetson-orin-nano-8gb"]


def main() -> None:
    """Print what each device would do, take and cost, and which is best."""
    prices = CostOptions(
        way="buy",
        years=3,
        electricity_usd_per_kwh=0.25,
        prices={
            "nvidia-t4": 900,
            "nvidia-l4": 2500,
            "nvidia-jetson-orin-nano-8gb": 499,
        },  # made up: give yours
    )
    options = EvaluateOptions(cost=prices, weights=Weights(compute=0.2, power=0.3, cost=0.5))
    matrix = evaluate_devices(network(), choose_devices(NAMES), slo_ms=20, traffic_rps=5000, options=options)

    for row in matrix.ordered:
        one, bill = row.estimate, row.bill
        print(
            f"{row.name}: {one.seconds * 1e6:.0f} us [{one.low * 1e6:.0f}, {one.high * 1e6:.0f}], {row.verdict}"
        )
        print(
            f"  {row.fleet.devices} needed, {bill.fleet_joules:.3g} J an example, {bill.tco_usd:,.0f} USD in all"
        )

    winner, firm = matrix.winner, matrix.sensitivity
    print(f"best: {winner.name}, for {firm.shares[winner.name]:.0%} of all weights")
    for flip in firm.flips:
        print(f"  {flip.winner} would be, if {flip.axis} weighed {flip.weight:.2f}")


if __name__ == "__main__":
    main()
