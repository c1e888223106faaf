"""Graphics cards of this machine as the subjects of a probe, by PyTorch's own products and events."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from burnish.evaluate.probing import Subject
from burnish.hardware.device import Dtype
from burnish.hardware.probe import (
    Call,
    Chain,
    Measured,
    MemoryPeak,
    ProbeConfig,
    Product,
    Timer,
    Traffic,
    nvml_limit_w,
    nvml_meter,
    working_sets,
)

CARD_DTYPES: tuple[Dtype, ...] = (
    "float64",
    "float32",
    "tfloat32",
    "float16",
    "bfloat16",
    "float8",
    "int8",
)
"""Dtypes of which a card's products are measured."""

_ENGINE = "torch"
_TRIED_SIZE = 64
_LEAST_SET_BYTES = 1 << 20
_ELEMENTS = 8
_SIZE_FACTOR = 4  # the largest product is then of size 8192: smaller ones leave a large card partly idle
_FIRST_WITH_TF32 = (8, 0)


def cards() -> dict[str, str]:
    """Return the graphics cards that PyTorch can use here: names such as ``cuda:0`` with the makers' titles."""
    if find_spec("torch") is None:
        return {}
    cuda = import_module("torch").cuda
    if not cuda.is_available():
        return {}
    return {f"cuda:{index}": cuda.get_device_name(index) for index in range(cuda.device_count())}


def card(device: str) -> Subject:
    """Return a graphics card.

    Args:
        device: One of `cards`.
    """
    timer = event_timer(device)
    return Subject(
        name=device.replace(":", "-") + f"-{_uuid(device)}",
        dtypes=CARD_DTYPES,
        products=partial(torch_products, device),
        memory=partial(torch_memory, device, timer),
        chains={_ENGINE: partial(torch_chain, device)},
        operator="sin",
        size_factor=_SIZE_FACTOR,
        meter=partial(nvml_meter, f"GPU-{_uuid(device)}"),
        timer=timer,
    )


def card_limit_w(device: str) -> float | None:
    """Return the power that a card's driver holds it to, in watts; None where that is not readable."""
    return nvml_limit_w(f"GPU-{_uuid(device)}")


def event_timer(device: str) -> Timer:
    """Return a timer of calls that go on after they have returned, by the events of the card's stream."""
    cuda = import_module("torch").cuda

    def seconds(call: Call, repeats: int) -> float:
        with cuda.device(device):
            begin, end = (cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(repeats):
                call()
            end.record()
            end.synchronize()
        return max(float(begin.elapsed_time(end)) / 1e3, 1e-9) / repeats

    return seconds


def torch_products(device: str, dtype: Dtype) -> tuple[dict[str, Product], dict[str, str]]:
    """Return PyTorch's product of a dtype, or why it has none on a device."""
    torch = import_module("torch")
    if dtype == "tfloat32" and not (
        device.startswith("cuda") and torch.cuda.get_device_capability(device) >= _FIRST_WITH_TF32
    ):
        return {}, {_ENGINE: "no such multipliers: it would multiply in float32"}
    make = partial(_product, device, dtype)
    try:
        make(_TRIED_SIZE)()
    except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError) as error:
        return {}, {_ENGINE: str(error).partition("\n")[0]}
    return {_ENGINE: make}, {}


def torch_memory(device: str, timer: Timer, config: ProbeConfig) -> MemoryPeak:
    """Measure what a copy and an addition move in a device's memory, over working sets of all sizes."""
    torch = import_module("torch")
    count = config.stream_bytes // 4
    a, b, c = (torch.ones(count, dtype=torch.float32, device=device) for _ in range(3))
    curve = []
    for size in working_sets(max(_LEAST_SET_BYTES, config.least_stream_bytes), 3 * config.stream_bytes):
        copied, added = (size // (4 * arrays) for arrays in (2, 3))
        copied = min(copied, count)
        copy = partial(_copy, a[:copied], b[:copied])
        add = partial(_add, torch, a[:added], b[:added], c[:added])
        rates = [
            _rates(call, moved, timer, config) for call, moved in ((copy, 8 * copied), (add, 12 * added))
        ]
        curve.append(Traffic(size, 1, *rates))
    whole = curve[-1]
    return MemoryPeak(whole.copy, whole.add or whole.copy, 1, tuple(curve))


def torch_chain(device: str) -> Chain:
    """Return a maker of calls that start n tiny kernels, one after the other, and wait for the last."""
    torch = import_module("torch")
    x = torch.full((_ELEMENTS,), 0.5, device=device)
    wait: Callable[[], object] = partial(torch.cuda.synchronize, device) if x.is_cuda else x.sum

    def chain(length: int) -> Call:
        def call() -> None:
            for _ in range(length):
                torch.sin(x, out=x)
            wait()

        return call

    return chain


def _product(device: str, dtype: Dtype, size: int) -> Call:
    torch = import_module("torch")
    generator = torch.Generator(device).manual_seed(0)

    def matrix() -> Any:
        return torch.randn((size, size), device=device, generator=generator)

    if dtype == "int8":
        left, right = ((matrix() * 32).clamp(-127, 127).to(torch.int8) for _ in range(2))
        return partial(torch._int_mm, left, right.t())
    if dtype == "float8":
        left, right = (matrix().to(torch.float8_e4m3fn) for _ in range(2))
        one = torch.ones((), device=device)
        return partial(torch._scaled_mm, left, right.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    held = torch.float32 if dtype == "tfloat32" else getattr(torch, dtype)
    left, right = (matrix().to(held) for _ in range(2))
    into = torch.empty_like(left)
    return partial(_multiply, torch, left, right, into, "high" if dtype == "tfloat32" else "highest")


def _multiply(torch: Any, left: Any, right: Any, into: Any, precision: str) -> None:
    """Multiply; the precision is one for the whole process, so it is put back."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        torch.mm(left, right, out=into)
    finally:
        torch.set_float32_matmul_precision(before)


def _rates(call: Call, moved: int, timer: Timer, config: ProbeConfig) -> Measured:
    call()
    repeats = max(1, round(config.min_sample_s / timer(call, 1)))
    return Measured.of([moved / timer(call, repeats) for _ in range(config.rounds)])


def _copy(into: Any, source: Any) -> None:
    into.copy_(source)


def _add(torch: Any, into: Any, left: Any, right: Any) -> None:
    torch.add(left, right, out=into)


def _uuid(device: str) -> str:
    properties = import_module("torch").cuda.get_device_properties(device)
    return str(getattr(properties, "uuid", properties.name))  # ROCm's wheels tell none
