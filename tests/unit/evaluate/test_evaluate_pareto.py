"""The front of hand-made points."""

from burnish.evaluate import pareto_front


def test_equal_points_are_all_kept():
    assert pareto_front(["a", "b"], lambda _: (1.0, 1.0)) == ["a", "b"]


def test_worse_in_everything_is_dropped():
    points = {"fast": (1.0, 9.0), "small": (9.0, 1.0), "neither": (9.0, 9.0), "both": (1.0, 1.0)}
    assert pareto_front(list(points), points.__getitem__) == ["both"]
    del points["both"]
    assert pareto_front(list(points), points.__getitem__) == ["fast", "small"]
