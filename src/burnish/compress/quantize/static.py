"""Post-training quantization to INT8 in the form that every engine here reads: QDQ nodes in ONNX."""

from dataclasses import replace

from burnish.compress.quantize.bias import corrected
from burnish.compress.quantize.equalize import equalized, input_axes
from burnish.compress.quantize.fitting import Fitted, fit, fit_each
from burnish.compress.quantize.layers import kept_float, listed, multiplying
from burnish.compress.quantize.observe import Observed, observe
from burnish.compress.quantize.placing import Integers, integers, place
from burnish.compress.quantize.plan import Selection, plan
from burnish.compress.quantize.prepare import prepared
from burnish.compress.quantize.report import (
    Quantized,
    QuantReport,
    activation_records,
    weight_records,
)
from burnish.compress.quantize.scheme import QuantScheme
from burnish.errors import UnsupportedOpError
from burnish.evaluate.task import Split, not_finite
from burnish.graph import ComputeGraph

_MULTIPLYING = ("Conv", "Gemm", "MatMul")
"""Operators that have integer kernels with fixed ranges."""


def quantize_static(graph: ComputeGraph, samples: Split, scheme: QuantScheme) -> Quantized:
    """Quantize weights and activations after training.

    Args:
        graph: Float graph; not changed.
        samples: Calibration examples, preprocessed as at inference; never the examples that will judge.
        scheme: How.

    Returns:
        A graph with QuantizeLinear and DequantizeLinear nodes, which engines fuse into integer kernels, and what
        was done to it.

    Raises:
        InputError: There are no samples, or a sample is not finite.
        ShapeError: The samples do not fit the graph.
        NotFoundError: The scheme names a node that the graph does not have.
        UnsupportedOpError: The graph has nothing that can be quantized.

    Cost: one float pass per sample; one more with ``equalize``; with calibration ``auto`` three passes over 32
    samples for each activation.

    References:
        Jacob et al. 2018, arXiv:1712.05877.
    """
    chosen = samples.drawn(scheme.samples)
    if not_finite(chosen.inputs):
        samples.check("calibration")  # which tells the place in the split
    chosen.check("calibration")
    kinds = integers(scheme)
    kept_float(graph.model.graph, scheme)  # names what is not there
    notes: tuple[str, ...] = ()
    ready = prepared(graph)
    scheme = _surviving(scheme, ready)
    planned = _worthwhile(plan(ready.model.graph, scheme), ready)
    if scheme.equalize is not None:
        ready, notes = equalized(ready, planned, chosen, scheme.equalize, bins=scheme.calibration_bins)
        planned = plan(ready.model.graph, scheme)
    seen = _observed(ready, planned, chosen, scheme)
    planned = _worthwhile(planned.without(ready.model.graph, seen.ruined, scheme), ready)
    fitted, done = _fitted(ready, planned, seen, chosen, scheme, kinds)
    if scheme.bias_correction:
        ready, more = corrected(ready, done, seen.channels)
        done = place(ready, planned, fitted.ranges, kinds, per_channel=scheme.per_channel)
        notes = (*notes, *more)
    report = QuantReport(
        planned.kept,
        kinds.activation,
        kinds.reduce_range,
        activation_records(done, fitted, seen.histograms, kinds.grid),
        weight_records(done),
        notes,
    )
    return Quantized(done, report)


def _surviving(scheme: QuantScheme, graph: ComputeGraph) -> QuantScheme:
    """Return the scheme without the names of nodes that preparing the graph folded away."""
    names = {node.name for node in graph.model.graph}
    return replace(scheme, keep_float=tuple(name for name in scheme.keep_float if name in names))


def _observed(graph: ComputeGraph, planned: Selection, samples: Split, scheme: QuantScheme) -> Observed:
    axes = input_axes(graph.model.graph, set(planned.nodes)) if scheme.bias_correction else {}
    return observe(graph, planned.tensors, samples, bins=scheme.calibration_bins, by_channel=axes)


def _fitted(
    graph: ComputeGraph,
    planned: Selection,
    seen: Observed,
    samples: Split,
    scheme: QuantScheme,
    kinds: Integers,
) -> tuple[Fitted, ComputeGraph]:
    """Return the ranges, and the graph in integers with them."""
    histograms = {name: seen.histograms[name] for name in planned.tensors}
    one = "minmax" if scheme.calibration == "auto" else scheme.calibration
    fitted = fit(histograms, one, scheme, kinds.grid)
    done = place(graph, planned, fitted.ranges, kinds, per_channel=scheme.per_channel)
    if scheme.calibration == "auto":
        fitted = fit_each(graph, done, fitted, histograms, samples, scheme, kinds.grid)
        done = place(graph, planned, fitted.ranges, kinds, per_channel=scheme.per_channel)
    return fitted, done


def _worthwhile(planned: Selection, graph: ComputeGraph) -> Selection:
    """Return a plan that quantizes a multiplying node at least.

    Raises:
        UnsupportedOpError: It quantizes none; the text says why.
    """
    nodes = multiplying(graph.model.graph)
    if not nodes:
        raise UnsupportedOpError(f"the graph has none of {', '.join(_MULTIPLYING)}: nothing to quantize")
    if not any(node.name in planned.nodes for node in nodes):
        raise UnsupportedOpError(
            "every multiplying node stays in floating point", hint="; ".join(listed(planned.kept))
        )
    return planned
