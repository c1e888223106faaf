"""Whatever is asked of a workload, no operator grows, none vanishes, and the share removed is the one asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.hardware.whatif import changed
from burnish.hardware.work import Work, Workload

ROLES = ("conv", "matmul", "depthwise", "elementwise", "normalize", "softmax", "pool", "move")


@st.composite
def workloads(draw, least=1):
    """Draw operators between two layers, none of fewer channels than the least."""
    works, size = [], st.integers(least, 300)
    for index, role in enumerate(["conv", *draw(st.lists(st.sampled_from(ROLES), max_size=10)), "conv"]):
        m, n, k = draw(size), draw(size), draw(size)
        if role == "depthwise":
            count, n, k, kernel = draw(size), 1, 9, 9
        else:
            count, kernel = 1, 1
        product = role in ("conv", "matmul", "depthwise")
        weights = 4 * count * n * k if product else 0
        traffic = 4 * count * m * (n + k) if product else 8 * m * n
        works.append(
            Work(
                name=str(index),
                op=role,
                role=role,
                index=index,
                flops=2 * count * m * n * k if product else m * n,
                bytes=traffic + weights,
                weight_bytes=weights,
                elements=count * m * n,
                dtype="float32",
                count=count,
                m=m,
                n=n,
                k=k if product else 0,
                kernel=kernel,
            )
        )
    return Workload("random", 1, tuple(works), {}, sum(work.weight_bytes for work in works), 4000)


def layers(load):
    return [work for work in load.works if work.weight_bytes]


@given(workloads(), st.floats(0.01, 0.9), st.sampled_from([None, "int8", "float16"]), st.sampled_from([1, 8]))
def test_no_operator_grows_and_none_vanishes(load, prune, dtype, round_to):
    after = changed(load, prune=prune, dtype=dtype, round_to=round_to)
    assert [work.name for work in after.works] == [work.name for work in load.works]
    for was, now in zip(load.works, after.works, strict=True):
        for figure in ("flops", "bytes", "weight_bytes", "elements", "count", "m", "n", "k"):
            assert 0 <= getattr(now, figure) <= getattr(was, figure) + 1, figure  # 1: halves are rounded
        assert min(now.count, now.m, now.n) >= 1
    assert after.weight_bytes <= load.weight_bytes
    assert after.activation_bytes <= load.activation_bytes


@given(workloads(least=40), st.floats(0.01, 0.6))
def test_the_share_is_removed_but_for_half_a_channel_a_layer(load, prune):
    after = changed(load, prune=prune)
    assert after.weight_bytes / load.weight_bytes == pytest.approx(1 - prune, abs=0.03)
