"""The front is what it says, for any set of points."""

from hypothesis import given
from hypothesis import strategies as st

from burnish.evaluate import pareto_front

points = st.lists(st.tuples(*[st.integers(0, 5)] * 3), max_size=30)


def dominates(a, b):
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


@given(points)
def test_front_is_undominated_complete_and_in_order(candidates):
    front = pareto_front(candidates, lambda point: tuple(map(float, point)))
    for point in candidates:
        beaten = any(dominates(other, point) for other in candidates)
        assert (point in front) != beaten
    positions = iter(candidates)
    assert all(point in positions for point in front)
    assert bool(front) == bool(candidates)
