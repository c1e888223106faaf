import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.compress import Option
from burnish.compress.recipe.choose import choose, front_of, objectives
from burnish.errors import BudgetError, InputError
from burnish.evaluate import Interval, Latency


def option(candidate, *, ms, low, size=100, backend="onnxruntime"):
    score = Interval(0.9, 0.8, 1.0, 100)
    difference = Interval(low + 0.005, low, low + 0.01, 100)
    return Option(
        candidate=candidate,
        backend=backend,
        graph=Path(f"{candidate}.onnx"),
        valid=score,
        valid_difference=difference,
        test=score,
        test_difference=difference,
        latency=Latency((ms,), 1),
        speedup=Interval(1 / ms, 1 / ms, 1 / ms, 1),
        size_bytes=size,
        parameters=1,
        macs=1,
    )


FLOAT = option("float", ms=1.0, low=-0.0036)


def test_the_lower_end_decides_and_not_the_estimate():
    risky = option("risky", ms=0.1, low=-0.011)  # estimated at -0.6 points, but it may be -1.1
    safe = option("safe", ms=0.5, low=-0.009)
    assert choose([FLOAT, risky, safe], 1.0) is safe
    assert choose([FLOAT, risky, safe], 1.2) is risky


def test_a_miss_says_by_how_much_and_by_whom():
    options = [FLOAT, option("int8", ms=0.5, low=-0.0125), option("pruned", ms=0.2, low=-0.03)]
    with pytest.raises(
        BudgetError, match=r"within 1 points.*int8 on onnxruntime, may lose 1\.25, .*0\.25 too"
    ):
        choose(options, 1.0)


@given(st.floats(min_value=-0.5, max_value=-0.011))
def test_what_a_miss_says_to_allow_suffices(low):
    options = [FLOAT, option("int8", ms=0.5, low=low)]
    with pytest.raises(BudgetError) as missed:
        choose(options, 1.0)
    allowed = float(re.search(r"allow ([\d.]+) points", missed.value.hint)[1])
    assert choose(options, allowed).candidate == "int8"
    assert allowed < -low * 100 + 0.01001


def test_the_float_model_stays_when_nothing_that_passes_is_faster():
    slow = option("int8", ms=1.4, low=-0.001)
    assert choose([FLOAT, slow], 1.0) is FLOAT


def test_the_float_model_alone_does_not_hide_a_miss():
    with pytest.raises(BudgetError):
        choose([FLOAT, option("int8", ms=0.5, low=-0.5)], 1.0)


options = st.builds(
    option,
    st.sampled_from(["int8", "pruned", "pruned-int8"]),
    ms=st.sampled_from([0.1, 0.2, 0.5, 2.0]),
    low=st.sampled_from([-0.03, -0.01, -0.005, 0.0]),
    size=st.sampled_from([10, 20, 50]),
)


@given(st.lists(options, min_size=1, max_size=8), st.sampled_from([0.5, 1.0, 3.0]))
def test_what_is_chosen_passes_is_fastest_and_lies_on_the_front(compressed, floor):
    everything = [FLOAT, *compressed]
    good = [o for o in compressed if o.valid_difference.low * 100 >= -floor]
    if not good:
        with pytest.raises(BudgetError):
            choose(everything, floor)
        return
    chosen = choose(everything, floor)
    assert chosen is FLOAT or chosen in good
    assert chosen.latency.median_ms <= min(o.latency.median_ms for o in good)
    values = {objectives(o) for o in front_of(everything)}
    same_speed = [o for o in everything if o.latency.median_ms == chosen.latency.median_ms]
    assert any(objectives(o) in values for o in same_speed)


def test_the_smallest_is_chosen_where_size_is_preferred():
    fast = option("fast", ms=0.1, low=-0.005, size=50)
    small = option("small", ms=0.4, low=-0.005, size=20)
    ruined = option("ruined", ms=0.05, low=-0.5, size=1)
    assert choose([FLOAT, fast, small, ruined], 1.0, "size") is small
    assert choose([FLOAT, fast, small, ruined], 1.0) is fast


def test_nothing_to_choose_from_is_an_error_of_its_own():
    with pytest.raises(InputError, match="no compressed option"):
        choose([FLOAT], 1.0)
