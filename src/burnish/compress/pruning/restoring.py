"""Takes cuts back, without a copy of the network and without a new trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def unchanged(model: nn.Module, graph: Any) -> Iterator[None]:
    """Put a model and its dependency graph back to how they were, whatever is cut inside.

    A cut makes new tensors and leaves the old ones as they are, so it is enough to hold on to these.

    Args:
        model: Its modules' attributes, parameters and buffers are kept.
        graph: Torch-Pruning's, whose operations keep sizes of their own.
    """
    operations = [node for node in graph.module2node if isinstance(node, nn.Module)]
    modules = list(dict.fromkeys([*model.modules(), *operations]))
    attributes = [_shallow(module) for module in modules]
    nodes = {node: node.module for node in graph.module2node.values()}
    kept = {
        "module2node": dict(graph.module2node),
        "_param_to_name": dict(graph._param_to_name),
        "_pruning_history": list(graph._pruning_history),
    }
    try:
        yield
    finally:
        for module, before in zip(modules, attributes, strict=True):
            module.__dict__.clear()
            module.__dict__.update(before)
        for node, module in nodes.items():
            node.module = module
        vars(graph).update(kept)


def _shallow(module: nn.Module) -> dict[str, Any]:
    """Copy a module's attributes, and the tables and lists in them that a cut may change in place."""
    return {
        name: value.copy() if type(value) in (dict, list) else value for name, value in vars(module).items()
    }
