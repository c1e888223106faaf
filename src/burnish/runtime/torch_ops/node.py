"""One node of a graph as plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One node: its operator, the names of its values, its attributes as Python values and arrays."""

    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute, or the default when the node does not set it."""
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value


def ints(tensor: torch.Tensor) -> list[int]:
    """Return a tensor of sizes, axes or indices as Python integers."""
    return [int(i) for i in tensor.reshape(-1).tolist()]


def without_node(function: Function) -> Function:
    """Adapt a function of tensors alone to the calling convention of the table."""
    return lambda _, *tensors: function(*tensors)
