"""What a model would ask of a device if it were quantized or pruned: asked before the work is done."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.errors import ConfigError, nearest
from burnish.hardware.device import ITEM_BYTES, Dtype
from burnish.hardware.work import Work, Workload

_PRODUCTS = frozenset(("conv", "depthwise", "matmul", "recurrent"))
_FLOATS = frozenset(("float64", "float32", "float16", "bfloat16"))
_NEEDS_RANGE = frozenset(("softmax", "normalize"))  # no engine does these in eight bits


def changed(
    workload: Workload,
    *,
    dtype: Dtype | None = None,
    prune: float = 0.0,
    keep_ends: bool = False,
    round_to: int = 1,
) -> Workload:
    """Return what is left to do when a model is pruned, then quantized or cast.

    Pruning removes the same share of the channels from every layer; attention loses heads. The input keeps its
    size, and so does the output of the last layer: of a model with several outputs, that of one. Quantizing
    gives all products the new type, and halves, quarters ... what lies between them; softmax and
    normalization stay as they are unless the new type is a float of 16 bits.

    Args:
        workload: Of the model as it is.
        dtype: Of the products; None leaves them.
        prune: Share of the parameters that is removed.
        keep_ends: Whether the first and the last layer keep their type, as quantizers often have it.
        round_to: Channels are kept in multiples of this where a layer has at least two of them.

    Raises:
        ConfigError: The share is not in [0, 1) or more than can be cut, or the type is unknown.
    """
    if dtype is not None and dtype not in ITEM_BYTES:
        raise ConfigError(f"dtype {dtype!r} is unknown", hint=nearest(dtype, ITEM_BYTES))
    if not 0 <= prune < 1:
        raise ConfigError(
            f"prune {prune:g} is not a share in [0, 1)", hint="0.4 removes 40% of the parameters"
        )
    if round_to < 1:
        raise ConfigError(f"round_to {round_to} must be at least 1")
    works, alive = workload.works, float(workload.activation_bytes)
    ends = _Ends.of(works)
    if prune:
        cut = _Cut(_keep(workload, ends, prune), round_to, workload.batch)
        works, alive = tuple(cut.apply(work, ends) for work in works), alive * cut.keep
    if dtype is not None:
        typed = [work for work in works if work.role in _PRODUCTS and work.dtype in _FLOATS]
        alive *= min((ITEM_BYTES[dtype] / ITEM_BYTES[work.dtype] for work in typed), default=1.0)
        works = tuple(
            work if keep_ends and work.index in (ends.first, ends.last) else _retyped(work, dtype)
            for work in works
        )
    before, after = (sum(map(_parameters, some)) for some in (workload.works, works))
    left = after / before if before else 1.0
    return replace(
        workload,
        works=tuple(replace(work, model_bytes=round(work.model_bytes * left)) for work in works),
        weight_bytes=round(workload.weight_bytes * left),
        activation_bytes=round(alive),
    )


@dataclass(frozen=True, slots=True)
class _Ends:
    """Where the model's layers begin and end, as indices of nodes."""

    first: int
    last: int
    embeds: bool
    """Whether the input is looked up in a table, whose width can be cut: then the first product is an inner one."""

    @staticmethod
    def of(works: Sequence[Work]) -> "_Ends":
        layers = [work.index for work in works if work.role in _PRODUCTS and work.weight_bytes]
        first, last = (layers[0], layers[-1]) if layers else (0, -1)
        tables = [work for work in works if work.op == "Gather" and work.weight_bytes > 8]  # 8: one index
        embeds = any(work.index < first for work in tables)
        return _Ends(first, last, embeds)

    def holds(self, work: Work) -> bool:
        return (self.embeds or work.index >= self.first) and work.index <= self.last

    def keeps_input(self, work: Work) -> bool:
        return work.index == self.first and not self.embeds

    def keeps_output(self, work: Work) -> bool:
        return work.index == self.last


def _keep(workload: Workload, ends: _Ends, prune: float) -> float:
    """Return the share of channels to keep, so that the parameters left are 1 - prune.

    Weights between two cut layers shrink with its square, those at an end and those of one channel linearly:
    for a model of inner layers alone it is the square root of what is left.
    """
    squared = linear = fixed = 0.0
    for work in workload.works:
        kept = not ends.holds(work), ends.keeps_input(work), ends.keeps_output(work)
        if kept[0] or (kept[1] and kept[2]):
            fixed += _parameters(work)
        elif _is_layer(work) and not any(kept):
            squared += _parameters(work)
        else:
            linear += _parameters(work)
    total = squared + linear + fixed
    left = (1 - prune) * total - fixed
    if left <= 0:
        most = 1 - fixed / total if total else 0.0
        raise ConfigError(
            f"{prune:.0%} of the parameters of {workload.name} cannot be pruned: "
            f"at most {most:.0%} of them lie in channels that may go"
        )
    return 2 * left / (linear + math.sqrt(linear**2 + 4 * squared * left))


def _parameters(work: Work) -> int:
    """Return the bytes of the stored weights, of which a lookup reads only some."""
    return max(work.parameter_bytes, work.weight_bytes)


def _is_layer(work: Work) -> bool:
    """Tell whether the work multiplies channels by weights into other channels."""
    return work.role in _PRODUCTS - {"depthwise"} and work.weight_bytes > 0 and work.n > 0 and work.k > 0


@dataclass(frozen=True, slots=True)
class _Cut:
    keep: float
    round_to: int
    batch: int

    def apply(self, work: Work, ends: _Ends) -> Work:
        if not ends.holds(work):
            return work
        if _is_layer(work):
            return self._layer(work, ends)
        if work.role in _PRODUCTS and not work.weight_bytes:
            return self._attention(work)
        if work.role in _PRODUCTS:  # depthwise convolutions lose channels
            count = self._size(work.count)
            return replace(_scaled(work, count / work.count), count=count)
        scaled = _scaled(work, self.keep)
        if work.role == "normalize" or work.m <= 1:  # these go over the channels, others once for each
            return replace(scaled, n=math.ceil(work.n * self.keep))
        return replace(scaled, m=math.ceil(work.m * self.keep))

    def _attention(self, work: Work) -> Work:
        """Take heads away, of each example alike; a single head gets thinner."""
        examples = self.batch if work.count % self.batch == 0 else 1
        heads = work.count // examples
        if heads > 1:
            count = examples * self._size(heads)
            return replace(_scaled(work, count / work.count), count=count)
        return replace(_scaled(work, self.keep), k=math.ceil(work.k * self.keep))

    def _layer(self, work: Work, ends: _Ends) -> Work:
        transposed = (
            work.op == "ConvTranspose"
        )  # its window belongs to the columns, that of others to the depth
        columns, depth = (work.kernel, 1) if transposed else (1, work.kernel)
        n, k = self._size(work.n // columns) * columns, self._size(work.k // depth) * depth
        into, out = k / work.k, n / work.n
        if ends.keeps_input(work):
            k, into = work.k, 1.0
        if ends.keeps_output(work):
            n, out = work.n, 1.0
        results = work.elements * ITEM_BYTES[work.dtype]
        taken = max(0.0, work.bytes - work.weight_bytes - results)
        weights = work.weight_bytes * into * out
        return replace(
            work,
            flops=round(work.flops * into * out),
            bytes=round(taken * into + results * out + weights),
            weight_bytes=round(weights),
            parameter_bytes=round(work.parameter_bytes * into * out),
            elements=round(work.elements * out),
            n=n,
            k=k,
        )

    def _size(self, size: int) -> int:
        step = self.round_to if size >= 2 * self.round_to else 1
        return min(size, max(step, round(size * self.keep / step) * step))


def _scaled(work: Work, share: float) -> Work:
    return replace(
        work,
        flops=round(work.flops * share),
        bytes=round(work.bytes * share),
        weight_bytes=round(work.weight_bytes * share),
        parameter_bytes=round(work.parameter_bytes * share),
        elements=round(work.elements * share),
    )


def _retyped(work: Work, dtype: Dtype) -> Work:
    if work.dtype not in _FLOATS or (work.role in _NEEDS_RANGE and ITEM_BYTES[dtype] < 2):
        return work
    share = ITEM_BYTES[dtype] / ITEM_BYTES[work.dtype]
    return replace(
        work,
        bytes=round(work.bytes * share),
        weight_bytes=round(work.weight_bytes * share),
        parameter_bytes=round(work.parameter_bytes * share),
        dtype=dtype if work.role in _PRODUCTS else work.dtype,
    )
