"""Stored tensors of a traced network, and what is computed from them alone."""

from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule, Node


def attribute(module: nn.Module, path: str) -> Any:
    """Return a parameter or buffer by its path."""
    owner, _, name = path.rpartition(".")
    return getattr(module.get_submodule(owner), name)


def store(module: nn.Module, path: str, tensor: torch.Tensor) -> None:
    """Set a parameter by its path, a new one where there is none."""
    owner, _, name = path.rpartition(".")
    module.get_submodule(owner).register_parameter(name, nn.Parameter(tensor.detach().clone()))


def is_constant(node: object) -> bool:
    """Tell whether a value is made of stored tensors alone."""
    if not isinstance(node, Node):
        return False
    if node.op == "get_attr":
        return True
    return (
        node.op == "call_function"
        and bool(node.all_input_nodes)
        and all(map(is_constant, node.all_input_nodes))
    )


def value_of(traced: GraphModule, node: Node) -> torch.Tensor:
    """Return a constant as it is now."""
    if node.op == "get_attr":
        tensor: torch.Tensor = attribute(traced, str(node.target)).detach()
        return tensor
    args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), lambda inner: value_of(traced, inner))
    with torch.no_grad():
        return node.target(*args, **kwargs)  # type: ignore[operator, no-any-return]
