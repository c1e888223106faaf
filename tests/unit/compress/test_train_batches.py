import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.compress.training.batches import training_batches
from burnish.compress.training.learning_rate import one_cycle

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=300)


def batches_of(lengths, size, *, sort=True, seed=0):
    found = np.array(lengths) if sort else None
    return training_batches(len(lengths), size, found, np.random.default_rng(seed))


@given(lengths=LENGTHS, size=st.integers(1, 70), sort=st.booleans())
def test_every_example_is_met_once(lengths, size, sort):
    batches = batches_of(lengths, size, sort=sort)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))


@given(lengths=LENGTHS, size=st.integers(2, 70), sort=st.booleans())
def test_no_batch_is_of_one_example_where_there_are_more(lengths, size, sort):
    sizes = [len(batch) for batch in batches_of(lengths, size, sort=sort)]
    assert max(sizes) <= size + 1
    assert len(lengths) == 1 or min(sizes) > 1


@given(lengths=LENGTHS, size=st.integers(1, 70), sort=st.booleans())
def test_the_order_follows_the_seed_alone(lengths, size, sort):
    first, again = (batches_of(lengths, size, sort=sort) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_similar_lengths_come_together_and_batches_in_random_order():
    lengths = np.random.default_rng(1).integers(1, 60, 1600)

    def padded(batches):
        return sum(len(batch) * lengths[batch].max() for batch in batches)

    sorted_batches = batches_of(lengths, 32)
    assert padded(sorted_batches) < 0.6 * padded(batches_of(lengths, 32, sort=False))
    longest = [lengths[batch].max() for batch in sorted_batches]
    assert longest != sorted(longest)
    other = batches_of(lengths, 32, seed=1)
    assert not all(np.array_equal(a, b) for a, b in zip(sorted_batches, other, strict=True))


@given(steps=st.integers(1, 200), warmup=st.floats(0, 1), peak=st.floats(1e-6, 1))
def test_the_learning_rate_stays_below_its_peak(steps, warmup, peak):
    rates = [one_cycle(step, steps, peak=peak, warmup=warmup) for step in range(steps)]
    assert all(0 < rate <= peak * (1 + 1e-9) for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_peak_is_reached():
    assert max(one_cycle(s, 100, peak=0.5, warmup=0.3) for s in range(100)) == pytest.approx(0.5)
