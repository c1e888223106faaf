import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from burnish.evaluate.answers import answers
from burnish.evaluate.task import Split

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=60)


class Plain:
    name = "plain"


class Padded(Plain):
    """Rows of ones, as many as an example is long, and zeros behind them."""

    def lengths(self, split):
        return split.inputs["x"].sum(axis=1)

    def trim(self, batch):
        return Split({"x": batch.inputs["x"][:, : self.lengths(batch).max()]}, batch.labels)


def split_of(sizes):
    x = (np.arange(9) < np.array(sizes)[:, None]).astype(np.int64)
    return Split({"x": x}, np.arange(len(sizes)))


def run_into(shapes):
    def run(batch):
        shapes.append(batch.inputs["x"].shape)
        return {"size": batch.inputs["x"].sum(axis=1), "row": batch.labels}

    return run


@given(sizes=SIZES, batch_size=st.integers(1, 70))
def test_answers_come_in_the_order_of_the_examples(sizes, batch_size):
    for task in (Plain(), Padded()):
        found = answers(task, split_of(sizes), run_into([]), batch_size=batch_size)
        assert found["size"].tolist() == sizes
        assert found["row"].tolist() == list(range(len(sizes)))


@given(sizes=SIZES, batch_size=st.integers(1, 70))
def test_batches_are_no_larger_and_no_longer_than_they_must_be(sizes, batch_size):
    shapes = []
    answers(Padded(), split_of(sizes), run_into(shapes), batch_size=batch_size)
    ordered = sorted(sizes)
    expected = [ordered[start : start + batch_size] for start in range(0, len(sizes), batch_size)]
    assert shapes == [(len(part), part[-1]) for part in expected]


def test_sizes_that_do_not_differ_leave_the_order():
    rows = []
    answers(
        Plain(),
        split_of([3, 1, 2]),
        lambda batch: rows.extend(batch.labels) or {"y": batch.labels},
        batch_size=2,
    )
    assert rows == [0, 1, 2]
