"""From any module to a graph of operators that still learns."""

import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn
from torch.fx import GraphModule

from burnish.compress.qat.operators import aten, layer_name
from burnish.errors import InputError

Axes = Mapping[int, tuple[int, ...]]
_PYTORCHS_OWN = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    r"The tensor attributes? .* assigned during export",
)
"""What tracing and copying a traced network warns of: nothing that a user could do anything about."""


def trace(model: nn.Module, inputs: tuple[torch.Tensor, ...], varying: Axes) -> GraphModule:
    """Trace a module's forward pass in eval mode; the graph has copies of its parameters under their names.

    Attention and Einstein sums are taken apart, so that their products can be quantized. Dropout is in the graph as
    it is in the module; batch normalisation keeps its statistics.

    Args:
        model: On the CPU; not changed.
        inputs: What forward takes.
        varying: Axes that change from batch to batch, by position of the input.

    Raises:
        InputError: The module cannot be traced.
    """
    shapes = _dynamic_shapes(model, len(inputs), varying)
    known = torch.export.default_decompositions()
    apart = {op: known[op] for op in (aten.einsum.default, aten.baddbmm.default) if op in known}
    modes = {part: part.training for part in model.modules()}
    fused = torch.backends.mha.get_fastpath_enabled()
    model.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # one operator for a whole layer hides its products
    try:
        with quiet(), torch.enable_grad():
            program = torch.export.export(model, inputs, dynamic_shapes=shapes, strict=False)
            program = program.run_decompositions(
                apart | {aten.scaled_dot_product_attention.default: _attention}
            )
            traced = program.module(check_guards=False)
    except Exception as error:  # the exporter raises many kinds, and so may the user's forward
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise InputError(
            f"{type(model).__name__} cannot be traced for quantization-aware training: "
            f"{type(error).__name__}: {reason}",
            hint="avoid Python control flow that depends on tensor values in forward, or quantize after training",
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for part, training in modes.items():
            part.training = training
    # a module of its own kind, as an exported one refuses train() and eval(), and with parameters of its own
    with quiet():
        copied = copy.deepcopy(GraphModule(traced, traced.graph))
    _restore_dropout(copied, model)
    _restore_normalization(copied)
    copied.graph.eliminate_dead_code()
    copied.recompile()
    return copied


@contextmanager
def quiet() -> Iterator[None]:
    """Keep PyTorch's warnings about its own inside out of the user's terminal."""
    with warnings.catch_warnings():
        for message in _PYTORCHS_OWN:
            warnings.filterwarnings("ignore", message)
        yield


def _dynamic_shapes(model: nn.Module, count: int, varying: Axes) -> tuple[object, ...]:
    shapes = tuple(dict.fromkeys(varying.get(i, ()), torch.export.Dim.AUTO) for i in range(count))
    kinds = [parameter.kind.name for parameter in inspect.signature(model.forward).parameters.values()]
    return (shapes,) if kinds == ["VAR_POSITIONAL"] else shapes


def place(traced: GraphModule, device: torch.device) -> None:
    """Let a traced network make its constants, such as positions, on a device; `to` moves only what it stores."""
    for node in traced.graph.nodes:
        if "device" in node.kwargs:
            node.kwargs = {**node.kwargs, "device": device}
    traced.recompile()


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001 - part of the signature that is replaced; none in eval mode
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Attention as PyTorch defines it, in operators that can be quantized one by one."""
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeats, -3), value.repeat_interleave(repeats, -3)
    scores = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.transpose(-1, -2)
    if is_causal:
        seen = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
        scores = scores.masked_fill(seen.logical_not(), torch.finfo(scores.dtype).min)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(attn_mask.logical_not(), torch.finfo(scores.dtype).min)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(dim=-1) @ value


def _restore_dropout(traced: GraphModule, model: nn.Module) -> None:
    """Put dropout layers, which do nothing in eval mode, back where the trace left a copy in their place."""
    for node in traced.graph.nodes:
        path = layer_name(node)
        if node.target is not aten.clone.default or not path:
            continue
        layer = model.get_submodule(path)
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            name = f"dropouts.{node.name}"
            traced.add_submodule(name, type(layer)(layer.p))
            node.op, node.target, node.args, node.kwargs = "call_module", name, (node.args[0],), {}


def _restore_normalization(traced: GraphModule) -> None:
    """Write batch normalisation as the operator that has a gradient, instead of the inner one with three results."""
    for node in list(traced.graph.nodes):
        if node.target is not aten._native_batch_norm_legit_no_training.default:
            continue
        *operands, momentum, epsilon = node.args
        for result in list(node.users):
            with traced.graph.inserting_before(result):
                norm = traced.graph.call_function(
                    aten.batch_norm.default, (*operands, False, momentum, epsilon, False)
                )
            norm.meta = dict(result.meta)
            result.replace_all_uses_with(norm)
            traced.graph.erase_node(result)
