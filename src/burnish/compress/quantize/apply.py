"""One way in to every kind of quantization after training."""

from burnish.compress.quantize.scheme import QuantScheme
from burnish.compress.quantize.static import quantize_static
from burnish.evaluate.task import Split
from burnish.graph import ComputeGraph


def quantize(graph: ComputeGraph, samples: Split, scheme: QuantScheme | None = None) -> ComputeGraph:
    """Quantize a float graph after training, as its scheme says.

    Args:
        graph: Float graph; not changed.
        samples: Calibration examples, preprocessed as at inference; never the examples that will judge.
        scheme: How; None for the defaults.

    Returns:
        The quantized graph.

    Raises:
        InputError: There are no samples, or a sample is not finite.
        ShapeError: The samples do not fit the graph.
        UnsupportedOpError: The graph has nothing that can be quantized.
    """
    return quantize_static(graph, samples, scheme or QuantScheme())
