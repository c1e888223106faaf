"""A model as plain data: one ONNX graph, its signature, its cost. No engine lives here."""

from burnish.graph.graph import ComputeGraph, load
from burnish.graph.signature import Signature, TensorSpec

__all__ = ["ComputeGraph", "Signature", "TensorSpec", "load"]
