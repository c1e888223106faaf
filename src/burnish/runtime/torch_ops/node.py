"""One node of a graph as plain data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from burnish.graph.signature import Array

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


def ints(values: torch.Tensor | Array) -> list[int]:
    """Return sizes, axes or indices as Python integers; symbolic ones stay what they are."""
    items: list[Any] = values.reshape(-1).tolist()
    return items if isinstance(values, np.ndarray) else [int(item) for item in items]


def without_node(function: Function) -> Function:
    """Adapt a function of tensors alone to the calling convention of the table."""
    return lambda _, *tensors: function(*tensors)
