"""Rewriting a graph into one that computes the same with fewer nodes, by passes that are checked.

Each pass has a contract (`contract`): what it requires of a graph, what it ensures. `rules` holds the passes, a
family a module; `catalogue` puts them in order and knows which suit an engine; `runner` runs and checks them.
Importing this package needs onnxscript, which the extra ``compress`` brings.
"""

from burnish.graph.fusion.catalogue import PASSES, TARGETS
from burnish.graph.fusion.contract import Contract
from burnish.graph.fusion.report import FusionReport, PassReport
from burnish.graph.fusion.runner import Check, Fused, fuse, steps

__all__ = ["PASSES", "TARGETS", "Check", "Contract", "Fused", "FusionReport", "PassReport", "fuse", "steps"]
