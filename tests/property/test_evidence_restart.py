"""The alarm that starts afresh stays an e-process, goes on from its stored state and notices late changes."""

import itertools
import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.rollout.evidence import RestartingTest, TailTest


def run(events, *, limit, window):
    test = RestartingTest(fresh=TailTest(limit=limit), window=window)
    for event in events:
        test.current.update(int(event), 1)
        test.counted()
    return test


@settings(max_examples=30)
@given(n=st.integers(1, 8), window=st.integers(1, 4), limit=st.floats(0.01, 0.5))
def test_expectation_is_one_at_the_limit_across_restarts(n, window, limit):
    total = 0.0
    for path in itertools.product((False, True), repeat=n):
        chance = math.prod(limit if event else 1 - limit for event in path)
        total += chance * run(path, limit=limit, window=window).e
    assert math.isclose(total, 1.0, rel_tol=1e-9)


@given(events=st.lists(st.booleans(), max_size=60), cut=st.integers(0, 60), window=st.integers(1, 20))
def test_a_stored_test_goes_on_as_if_it_had_never_stopped(events, cut, window):
    whole = run(events, limit=0.1, window=window)
    first = run(events[:cut], limit=0.1, window=window)
    second = RestartingTest(fresh=TailTest(limit=0.1), window=window)
    second.restore(json.loads(json.dumps(first.state())))
    for event in events[cut:]:
        second.current.update(int(event), 1)
        second.counted()
    assert second == whole


def test_a_late_outage_is_noticed_within_a_few_requests():
    clean = np.zeros(20_000, bool)
    test = run(clean, limit=0.01, window=500)
    needed = 0
    while not test.rejects(0.001):
        test.current.update(1, 1)
        test.counted()
        needed += 1
    assert needed <= 15
