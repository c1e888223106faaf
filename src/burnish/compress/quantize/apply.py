"""One way in to every kind of quantization after training."""

from dataclasses import replace

from burnish.compress.quantize.dynamic import quantize_dynamic
from burnish.compress.quantize.embeddings import quantize_embeddings
from burnish.compress.quantize.halves import to_halves
from burnish.compress.quantize.layers import kept_float
from burnish.compress.quantize.report import Quantized
from burnish.compress.quantize.scheme import QuantScheme
from burnish.compress.quantize.settings import check_settings
from burnish.compress.quantize.static import quantize_static
from burnish.compress.quantize.weight_only import quantize_weights
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph


def quantize(graph: ComputeGraph, samples: Split, scheme: QuantScheme | None = None) -> ComputeGraph:
    """Quantize a float graph after training, as its scheme says; see `quantize_with_report`."""
    return quantize_with_report(graph, samples, scheme).graph


def quantize_with_report(graph: ComputeGraph, samples: Split, scheme: QuantScheme | None = None) -> Quantized:
    """Quantize a float graph after training, and tell what was done to each tensor and what was left alone.

    Args:
        graph: Float graph; not changed.
        samples: Calibration examples, preprocessed as at inference; never the examples that will judge. Only the
            method ``static`` looks at them.
        scheme: How; None for the defaults.

    Returns:
        The quantized graph and the report.

    Raises:
        ConfigError: A setting of the scheme means nothing to its method.
        InputError: There are no samples, or a sample or an activation is not finite.
        ShapeError: The samples do not fit the graph.
        NotFoundError: The scheme names a node that the graph does not have.
        UnsupportedOpError: The graph has nothing that can be quantized.
    """
    scheme = scheme or QuantScheme()
    check_settings(scheme)
    kept = kept_float(graph.model.graph, scheme)
    if scheme.method == "static":
        done = quantize_static(graph, samples, scheme)
    elif scheme.method == "dynamic":
        done = quantize_dynamic(graph, scheme)
    elif scheme.method == "weight-only":
        done = quantize_weights(graph, scheme)
    else:
        done = to_halves(graph, scheme)
    if scheme.embedding_bits == 32:
        return done
    small, left = quantize_embeddings(done.graph, scheme.embedding_bits, kept)
    return Quantized(small, replace(done.report, kept={**done.report.kept, **left}))
