"""Where on the triangle of all weights a device wins."""

import numpy as np
import pytest

from burnish.hardware.sensitivity import TRIANGLE, area, clip, sensitivity
from burnish.hardware.weights import AXES

SPECIALISTS = {"fast": (1.0, 0.0, 0.0), "frugal": (0.0, 1.0, 0.0), "cheap": (0.0, 0.0, 1.0)}


def test_three_specialists_share_the_triangle_evenly():
    found = sensitivity(SPECIALISTS, (0.4, 0.3, 0.3))
    assert found.shares == pytest.approx(dict.fromkeys(SPECIALISTS, 1 / 3))
    first = found.flips[0]
    assert (first.axis, first.winner) == ("power", "frugal")
    assert first.weight == pytest.approx(4 / 11)  # compute keeps 4/7 of the rest, which is 4/11 too
    assert first.distance == pytest.approx(4 / 11 - 0.3)


def test_a_device_that_is_best_in_everything_wins_everywhere():
    found = sensitivity({"good": (1.0, 1.0, 1.0), "bad": (0.5, 0.4, 0.3)}, (0.2, 0.3, 0.5))
    assert found.shares == {"good": pytest.approx(1.0)}
    assert found.flips == ()
    assert found.tau == 1.0


def test_equal_devices_share_nothing_twice_and_the_first_has_it():
    found = sensitivity(
        SPECIALISTS | {"twin": SPECIALISTS["fast"], "third": SPECIALISTS["fast"]}, (0.4, 0.3, 0.3)
    )
    assert found.shares == pytest.approx(dict.fromkeys(SPECIALISTS, 1 / 3))
    assert "twin" not in {flip.winner for flip in found.flips}
    ahead = (1.0 + 1e-14, 0.0, 0.0)
    assert "twin" in sensitivity(SPECIALISTS | {"twin": ahead}, (0.4, 0.3, 0.3)).shares


def test_half_of_the_triangle_is_cut_off_exactly():
    assert area(clip(TRIANGLE, (1.0, -1.0, 0.0))) == pytest.approx(0.5)
    assert area(clip(TRIANGLE, (1.0, 1.0, 1.0))) == pytest.approx(1.0)
    assert clip(TRIANGLE, (-1.0, -1.0, -1.0)) == ()


def test_opposite_orders_cancel_out():
    found = sensitivity({"a": (1.0, 0.0, 0.5), "b": (0.0, 1.0, 0.5)}, (0.5, 0.2, 0.3))
    assert found.tau == pytest.approx(0.0)


def test_at_a_flip_the_two_are_equal_and_beyond_it_the_other_leads():
    parts = {"a": (1.0, 0.3, 0.5), "b": (0.7, 0.9, 0.4), "c": (0.2, 0.6, 1.0)}
    weights = np.array([0.6, 0.2, 0.2])
    found = sensitivity(parts, tuple(weights))
    scores = {name: float(np.dot(part, weights)) for name, part in parts.items()}
    winner = max(scores, key=scores.get)
    assert found.flips
    for flip in found.flips:
        axis = AXES.index(flip.axis)
        away = 1e-6 * (1 if flip.weight > weights[axis] else -1)
        for step, leads in ((-away, winner), (away, flip.winner)):
            moved = weights * (1 - flip.weight - step) / (1 - weights[axis])
            moved[axis] = flip.weight + step
            assert max(parts, key=lambda name, w=moved: float(np.dot(parts[name], w))) == leads
