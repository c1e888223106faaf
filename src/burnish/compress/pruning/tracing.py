"""What a forward pass does: which layers run, where heads are split off, which layers depend on which."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from burnish.errors import InputError
from burnish.plugins import require

_SPLITTING = ("view", "reshape", "unflatten")
_DIVIDING = ("chunk", "split", "tensor_split", "unbind", "split_with_sizes")


@dataclass(frozen=True, slots=True)
class Heads:
    """How the outputs of a linear layer are taken apart."""

    count: int
    size: int
    """Channels of a head."""
    parts: int = 1
    """How many times a head has its channels there: 3 where queries, keys and values come from one layer."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What was seen in one forward pass."""

    called: set[nn.Module] = field(default_factory=set)
    heads: dict[nn.Module, Heads] = field(default_factory=dict)


def watch(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Pass:
    """Run a model and note what runs.

    Raises:
        InputError: The model fails on its inputs.
    """
    mode = _Watch()
    handles = [module.register_forward_hook(mode.ran) for module in model.modules()]
    try:
        with torch.no_grad(), mode:
            model(*inputs)
    except Exception as error:  # whatever a user's forward may raise
        raise untraceable(model, error) from error
    finally:
        for handle in handles:
            handle.remove()
    return mode.seen


def dependencies(model: nn.Module, inputs: tuple[torch.Tensor, ...], seen: Pass) -> Any:
    """Return Torch-Pruning's dependency graph of a model.

    Raises:
        InputError: The model cannot be traced.
        MissingExtraError: Torch-Pruning is not installed.
    """
    pruning = require("torch_pruning", extra="compress", need="channel pruning")
    graph = pruning.DependencyGraph()
    # a table that is read without its layer, such as positions.weight[:length], is a bare parameter to the tracer
    bare = {
        f"{name}.weight": layer.weight
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Embedding) and layer not in seen.called
    }
    try:
        with _everything_learns(model), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph.build_dependency(
                model,
                example_inputs=inputs,
                unwrapped_parameters=[(table, 1) for table in bare.values()],
                verbose=False,
            )
    except Exception as error:  # whatever the tracer may raise
        raise untraceable(model, error) from error
    graph._param_to_name.update({table: name for name, table in bare.items()})
    return graph


def untraceable(model: nn.Module, error: Exception) -> InputError:
    """Return the error that a model cannot be traced."""
    return InputError(
        f"{type(model).__name__} cannot be traced for pruning: {type(error).__name__}: {error}",
        hint="forward must take the task's inputs and return tensors",
    )


class HeadCounts:
    """Keeps the numbers of heads that modules hold in step with their layers.

    Args:
        model: Before it is cut.
        heads: As `watch` saw them.
    """

    def __init__(self, model: nn.Module, heads: Mapping[nn.Module, Heads]) -> None:
        self._held: list[tuple[nn.Module, str, nn.Linear, int]] = []
        for name, layer in model.named_modules():
            if layer not in heads or not isinstance(layer, nn.Linear):
                continue
            found, owner = heads[layer], model.get_submodule(name.rpartition(".")[0])
            for attribute, value in vars(owner).items():
                if "head" not in attribute or type(value) is not int:
                    continue
                is_size = any(word in attribute for word in ("size", "dim", "width"))
                if value == (found.count * found.size if is_size else found.count):
                    channels = found.parts * (1 if is_size else found.size)
                    self._held.append((owner, attribute, layer, channels))

    def update(self) -> None:
        """Set them to what the layers hold now."""
        for owner, attribute, layer, channels in self._held:
            setattr(owner, attribute, layer.out_features // channels)


class _Watch(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen = Pass()
        self._made: dict[
            int, tuple[torch.Tensor, nn.Linear]
        ] = {}  # the tensors are held, so that ids stay theirs

    def ran(self, module: nn.Module, _: object, output: Any) -> None:
        self.seen.called.add(module)
        if isinstance(module, nn.Linear) and isinstance(output, torch.Tensor):
            self._made[id(output)] = output, module

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in (*_SPLITTING, *_DIVIDING) and args and id(args[0]) in self._made:
            layer = self._made[id(args[0])][1]
            for part in result if name in _DIVIDING else ():
                self._made[id(part)] = part, layer
            if name in _SPLITTING:
                self._note(layer, args[0].shape[-1], tuple(result.shape))
        return result

    def _note(self, layer: nn.Linear, channels: int, shape: tuple[int, ...]) -> None:
        size, trailing = 1, 0
        while trailing < len(shape) and size < channels:
            trailing += 1
            size *= shape[-trailing]
        if size == channels and trailing > 1:
            count, each = shape[-2:]
            self.seen.heads[layer] = Heads(count, each, layer.out_features // (count * each))


@contextmanager
def _everything_learns(model: nn.Module) -> Iterator[None]:
    """Frozen layers leave no trace: the tracer follows gradients."""
    frozen = [p for p in model.parameters() if p.is_floating_point() and not p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
