"""Whether a traced graph holds for sizes other than those it was traced with."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from burnish.errors import BackendError, InputError, UnsupportedOpError
from burnish.graph.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.logs import get_logger

log = get_logger(__name__)

_TOLERANCE = 1e-3
_HINT = "fix the axis, or derive sizes in forward from the shape of the input"


def check_other_sizes(
    graph: ComputeGraph, module: Any, inputs: Mapping[str, Array], symbols: Mapping[str, Mapping[int, str]]
) -> None:
    """Run the module and its graph once with every free axis one longer, and compare.

    A tracer takes the sizes that it saw for constants and does not tell.

    Args:
        graph: Traced from the module.
        module: A `torch.nn.Module` in eval mode.
        inputs: What it was traced with.
        symbols: The free axes by input.

    Raises:
        InputError: The module does not run with other sizes, or the graph then gives other answers.
    """
    longer = {name: _stretched(array, symbols.get(name, {})) for name, array in inputs.items()}
    sizes = ", ".join(f"{name} {list(array.shape)}" for name, array in longer.items())
    try:
        expected = _run(module, longer)
    except Exception as error:  # whatever the module raises
        raise InputError(f"the module does not run with {sizes}: {error}", hint=_HINT) from error
    try:
        found = list(graph.infer(longer).values())
    except UnsupportedOpError as error:
        log.warning("the captured graph was not compared at other sizes", reason=str(error))
        return
    except BackendError as error:
        raise InputError(f"the captured graph does not run with {sizes}: {error}", hint=_HINT) from error
    finally:
        graph.close()
    for want, got in zip(expected, found, strict=True):
        if want.shape != got.shape or not np.allclose(
            want, got, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True
        ):
            raise InputError(
                f"the captured graph gives other answers than the module with {sizes}", hint=_HINT
            )


def _stretched(array: Array, axes: Mapping[int, str]) -> Array:
    shape = [size + (axis in axes) for axis, size in enumerate(array.shape)]
    return np.resize(array, shape)  # repeats what is there: indices stay valid


def _run(module: Any, inputs: Mapping[str, Array]) -> list[Array]:
    import torch

    with torch.no_grad():
        answer = module(*(torch.tensor(array) for array in inputs.values()))
    return [tensor.detach().numpy() for tensor in _flat(answer)]


def _flat(answer: Any) -> list[Any]:
    if isinstance(answer, Mapping):
        answer = tuple(answer.values())
    if isinstance(answer, (tuple, list)):
        return [tensor for item in answer for tensor in _flat(item)]
    return [answer]
