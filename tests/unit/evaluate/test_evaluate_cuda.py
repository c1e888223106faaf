"""A graphics card is probed by PyTorch; what needs none is tested on the processor."""

import pytest

from burnish.evaluate.cuda import (
    CARD_DTYPES,
    card,
    cards,
    event_timer,
    torch_chain,
    torch_memory,
    torch_products,
)
from burnish.evaluate.probing import machine_store, probe
from burnish.evaluate.this_device import card_device
from burnish.hardware.probe import ProbeConfig, wall_clock

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
TINY = ProbeConfig(
    sizes=(64,),
    rounds=2,
    min_sample_s=0.0,
    stream_bytes=1 << 20,
    chain_lengths=(4, 64),
    sustain_s=0.05,
    idle_s=0.0,
)
needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int8"])
def test_a_product_is_of_its_dtype(dtype):
    products, refused = torch_products("cpu", dtype)
    assert not refused
    y = products["torch"](32)()
    if dtype == "int8":
        assert y.dtype == torch.int32


def test_a_product_leaves_the_precision_of_the_process_as_it_was():
    before = torch.get_float32_matmul_precision()
    torch_products("cpu", "float32")[0]["torch"](16)()
    assert torch.get_float32_matmul_precision() == before


def test_a_dtype_without_multipliers_is_refused_with_a_reason():
    products, refused = torch_products("cpu", "tfloat32")
    assert not products
    assert "float32" in refused["torch"]


def test_memory_and_chains_are_measured():
    peak = torch_memory("cpu", wall_clock, TINY)
    assert peak.curve[-1].bytes == 3 * TINY.stream_bytes
    assert all(0 < point.copy.low <= point.copy.value for point in peak.curve)
    torch_chain("cpu")(3)()


def test_cards_are_those_of_pytorch():
    assert len(cards()) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


@needs_card
def test_a_card_is_a_device_of_its_own(tmp_path):
    name = next(iter(cards()))
    found = probe(card(name), machine_store(tmp_path), TINY)
    assert {*found.peaks, *found.no_peaks} == set(CARD_DTYPES)
    device = card_device(found, name)
    assert device.kind == "gpu"
    assert device.origin == "measured"
    assert device.overhead_s is None or device.overhead_s > 0
    assert all(rate > 0 for rate in device.peaks.values())


@needs_card
def test_events_time_what_goes_on_after_the_call():
    name = next(iter(cards()))
    product = torch_products(name, "float32")[0]["torch"](4096)
    product()
    torch.cuda.synchronize(name)
    assert event_timer(name)(product, 5) > wall_clock(product, 5)
