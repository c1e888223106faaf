"""What-if workloads agree with networks that were really pruned, and change no more than was asked."""

import math
from collections import Counter

import pytest
import torch

from burnish.compress.pruning.groups import ChannelGroups
from burnish.errors import ConfigError
from burnish.graph.capture import capture
from burnish.hardware.whatif import changed
from burnish.hardware.work import Work, Workload, workload
from burnish.testing import networks


def load(*works):
    return Workload("toy", 1, works, {}, sum(w.weight_bytes for w in works), 1000)


def work(index, role, *, m=0, n=0, k=0, weights=True, op="Op", count=1, elements=None):
    """One operator with float32 bytes that add up: inputs, weights, results."""
    flops = 2 * count * m * n * k or 64
    weight_bytes = 4 * count * n * k if weights else 0
    out = elements or count * m * n or 64
    taken = (count * m * k + (0 if weights else count * n * k)) or 64
    return Work(
        name=f"{role}_{index}",
        op=op,
        role=role,
        index=index,
        flops=flops,
        bytes=4 * (taken + out) + weight_bytes,
        weight_bytes=weight_bytes,
        elements=out,
        dtype="float32",
        count=count,
        m=m or 64,
        n=n or 1,
        k=k,
    )


CHAIN = load(
    work(0, "matmul", m=10, n=64, k=32),
    work(1, "elementwise", weights=False, elements=640),
    work(2, "matmul", m=10, n=64, k=64),
    work(3, "softmax", weights=False, elements=640),
    work(4, "matmul", m=10, n=7, k=64),
)


@pytest.fixture(scope="module")
def resnet():
    return workload(networks.graph("resnet18"), name="resnet18")


def test_a_pruned_resnet18_asks_for_what_was_foretold(resnet):
    module, inputs = networks.build("resnet18"), networks.example_inputs("resnet18")
    groups = ChannelGroups(module, tuple(map(torch.from_numpy, inputs.values())), unprunable={})
    for unit in groups.units():
        groups.remove(unit, range(round(unit.width * math.sqrt(0.6)), unit.width))
    real = workload(capture(module, inputs))
    foretold = changed(resnet, prune=1 - real.weight_bytes / resnet.weight_bytes)
    for figure in ("flops", "bytes", "weight_bytes", "activation_bytes"):
        assert getattr(foretold, figure) == pytest.approx(getattr(real, figure), rel=0.03), figure
    sizes = {w.index: (w.m, w.n, w.k) for w in foretold.works if w.role in ("conv", "matmul")}
    for item in (w for w in real.works if w.index in sizes):
        assert sizes[item.index] == pytest.approx((item.m, item.n, item.k), rel=0.03, abs=1)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
def test_the_share_is_that_of_the_parameters(resnet, share):
    before, after = (
        sum(w.weight_bytes for w in some.works) for some in (resnet, changed(resnet, prune=share))
    )
    assert after / before == pytest.approx(1 - share, rel=0.02)


def test_nothing_asked_changes_nothing(resnet):
    assert changed(resnet) == resnet


def test_input_and_output_keep_their_size():
    first, activation, inner, _, last = changed(CHAIN, prune=0.5).works
    assert first.k == 32
    assert last.n == 7
    assert first.n == inner.k == inner.n == last.k < 64
    assert first.flops == 2 * first.m * first.n * first.k
    assert inner.flops == 2 * inner.m * inner.n * inner.k
    assert inner.bytes == pytest.approx(4 * (10 * inner.k + inner.k * inner.n + 10 * inner.n), rel=0.02)
    assert activation.elements == pytest.approx(640 * inner.n / 64, rel=0.02)


def test_channels_are_rounded_for_vector_units():
    first, _, inner, _, last = changed(CHAIN, prune=0.5, round_to=16).works
    assert first.n == inner.k == inner.n == last.k == 48
    assert last.n == 7


def test_embedded_models_have_no_first_layer_to_keep():
    table = work(0, "move", op="Gather", n=64, k=100)
    pruned = changed(
        load(table, work(1, "matmul", m=10, n=64, k=64), work(2, "matmul", m=10, n=64, k=64)), prune=0.5
    )
    assert pruned.works[1].k == pruned.works[1].n < 64
    assert pruned.works[0].weight_bytes < table.weight_bytes


def test_attention_loses_heads_and_depthwise_convolutions_channels():
    heads = work(1, "matmul", m=10, n=10, k=8, count=8, weights=False)
    depthwise = work(2, "depthwise", m=100, n=1, k=9, count=64)
    ends = (work(0, "matmul", m=10, n=64, k=64), work(3, "matmul", m=10, n=64, k=64))
    _, fewer, narrower, _ = changed(load(ends[0], heads, depthwise, ends[1]), prune=0.3).works
    for before, after in ((heads, fewer), (depthwise, narrower)):
        assert after.count < before.count
        assert (after.m, after.n, after.k) == (before.m, before.n, before.k)
        for figure in ("flops", "bytes", "weight_bytes"):
            linear = getattr(before, figure) * after.count / before.count
            assert getattr(after, figure) == pytest.approx(linear, abs=1)


def test_quantizing_shrinks_the_traffic_and_leaves_the_work(resnet):
    small = changed(resnet, dtype="int8")
    assert small.flops == resnet.flops
    assert small.bytes == pytest.approx(resnet.bytes / 4, rel=0.01)
    assert small.weight_bytes == pytest.approx(resnet.weight_bytes / 4, rel=0.01)
    assert small.activation_bytes == pytest.approx(resnet.activation_bytes / 4, rel=0.01)
    dtypes = Counter((w.role in ("conv", "matmul"), w.dtype) for w in small.works)
    assert {key for key in dtypes if key[0]} == {(True, "int8")}
    assert {key for key in dtypes if not key[0]} == {(False, "float32")}


@pytest.mark.parametrize(("dtype", "stays"), [("int8", True), ("float8", True), ("float16", False)])
def test_softmax_stays_in_float(dtype, stays):
    before, after = CHAIN.works[3], changed(CHAIN, dtype=dtype).works[3]
    assert (after == before) is stays
    assert after.dtype == "float32"


def test_ends_may_stay_in_float():
    dtypes = [w.dtype for w in changed(CHAIN, dtype="int8", keep_ends=True).works if w.role == "matmul"]
    assert dtypes == ["float32", "int8", "float32"]


def test_pruned_then_quantized_is_both(resnet):
    both = changed(resnet, dtype="float16", prune=0.4)
    pruned = changed(resnet, prune=0.4)
    assert both.flops == pruned.flops
    assert both.weight_bytes == pytest.approx(pruned.weight_bytes / 2, rel=0.01)


@pytest.mark.parametrize("prune", [-0.1, 1.0, float("nan")])
def test_a_share_outside_is_refused(prune):
    with pytest.raises(ConfigError, match="prune"):
        changed(CHAIN, prune=prune)


def test_more_than_can_be_cut_is_refused():
    with pytest.raises(ConfigError, match="at most 0%"):
        changed(load(work(0, "matmul", m=10, n=64, k=64)), prune=0.5)


def test_unknown_dtypes_name_the_nearest():
    with pytest.raises(ConfigError, match="int8"):
        changed(CHAIN, dtype="int9")
