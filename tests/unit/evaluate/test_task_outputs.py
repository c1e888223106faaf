"""Examples and outputs as a task's author may give them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import InputError
from burnish.evaluate.task import Split, score


class Argmax:
    name = "argmax"

    def scores(self, outputs, labels):
        return outputs["y"].argmax(axis=1) == labels


def numbered(count):
    return Split({"x": np.arange(count)}, np.arange(count))


@given(count=st.integers(1, 5), wanted=st.integers(1, 12))
def test_a_sample_has_as_many_examples_as_are_wanted(count, wanted):
    assert numbered(count).sample(wanted).labels.tolist() == [i % count for i in range(wanted)]


@given(count=st.integers(0, 20), most=st.integers(1, 25))
def test_drawn_examples_are_different_ones_and_the_same_at_each_call(count, most):
    one, other = numbered(count).drawn(most), numbered(count).drawn(most)
    assert len(set(one.labels.tolist())) == len(one) == min(count, most)
    assert one.digest == other.digest


def test_lists_become_arrays():
    split = Split({"x": [[1.0], [2.0]]}, [0, 1])
    assert split.take(np.array([1])).labels.tolist() == [1]
    assert split.digest == Split({"x": np.array([[1.0], [2.0]])}, np.array([0, 1])).digest


@pytest.mark.parametrize(
    ("inputs", "labels", "expected"),
    [
        ({"x": np.ones(2)}, 3, "labels have no axis of examples"),
        ({"x": np.float32(1)}, [1], "input 'x' has no axis of examples"),
        ({"x": np.ones(2)}, [[1], [1, 2]], "labels are no array"),
    ],
)
def test_what_is_no_array_is_named(inputs, labels, expected):
    with pytest.raises(InputError, match=expected):
        Split(inputs, labels)


def test_labels_that_are_no_numbers_are_named():
    with pytest.raises(InputError, match=r"a task: 'labels' holds <U3, not numbers"):
        Split({"x": np.ones(2)}, ["cat", "dog"]).check("a task")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_no_answers(bad):
    y = np.zeros((4, 2), np.float32)
    y[2, 1] = y[3, 0] = bad
    with pytest.raises(
        InputError, match=r"'argmax'.* 'y' is not finite in 2 of 4 examples, first in example 2"
    ):
        score(Argmax(), {"y": y}, np.zeros(4, np.int64))
