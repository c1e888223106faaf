"""Kendall's tau of rankings."""

import itertools

import pytest

from burnish.evaluate.ranking import kendall_tau


def test_equal_rankings_agree_wholly_and_reversed_ones_not_at_all():
    assert kendall_tau([1, 5, 9], [10, 11, 12]) == 1
    assert kendall_tau([1, 5, 9], [12, 11, 10]) == -1


def test_it_counts_pairs():
    first, second = [3.0, 1.0, 4.0, 1.5, 9.0], [2.0, 7.0, 1.0, 8.0, 2.5]
    signs = [
        (a - b) * (c - d) > 0 for (a, c), (b, d) in itertools.combinations(zip(first, second, strict=True), 2)
    ]
    assert kendall_tau(first, second) == pytest.approx((2 * sum(signs) - len(signs)) / len(signs))


def test_ties_lessen_it_on_their_own_side_only():
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / 6**0.5)


@pytest.mark.parametrize(("first", "second"), [([1, 2], [1, 2, 3]), ([1, 1], [1, 2]), ([], [])])
def test_what_has_no_ranking_is_refused(first, second):
    with pytest.raises(ValueError, match="rank"):
        kendall_tau(first, second)
