"""Torch-Pruning as its README uses it: its high-level pruners, then fine-tuning on the labels alone.

The trainer, its settings and the number of epochs are those that burnish gets; what Torch-Pruning does not bring
(distillation, a gate, choosing by a measurement) is not added. In transformers, heads and the inner width of the
feed-forward parts are pruned, as in its example for BERT; the width of the embedding is not, see `ignored_layers`.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch_pruning as tp
from candidates import Start, add_arguments, attempt, start
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from burnish.compress.pruning.prune import PruneConfig
from burnish.compress.training.train import TrainConfig, train

TOOL = "torch-pruning"
IMPORTANCES: dict[str, Callable[[], Any]] = {
    "magnitude": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "taylor": tp.importance.GroupTaylorImportance,
    "group-norm": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "random": tp.importance.RandomImportance,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--pruners", nargs="+", default=["magnitude", "group-norm"], choices=IMPORTANCES)
    parser.add_argument("--ratios", nargs="+", type=float, default=[0.2, 0.4, 0.5], help="channels removed")
    parser.add_argument("--step", type=float, default=PruneConfig().step, help="channels removed a step")
    parser.add_argument("--round-to", type=int, default=8)
    parser.add_argument("--train", type=json.loads, default={}, help="TrainConfig of a step, as JSON")
    arguments = parser.parse_args()
    begun = start(arguments)
    config = replace(PruneConfig().fine_tune, seed=arguments.seed, **arguments.train)
    for kind in arguments.pruners:
        for ratio in arguments.ratios:
            steps = max(1, round(ratio / arguments.step))
            attempt(
                begun,
                TOOL,
                f"{kind}-{ratio * 100:g}",
                f"{kind}, {ratio:.0%} of channels in {steps} steps of {config.epochs} epochs",
                lambda path, kind=kind, ratio=ratio, steps=steps: prune(
                    begun, path, kind, ratio, steps, arguments.round_to, config
                ),
                epochs=steps * config.epochs,
            )


def prune(
    begun: Start, path: Path, kind: str, ratio: float, steps: int, round_to: int, config: TrainConfig
) -> Path:
    """Prune in steps with training after each, and export what is left."""
    model = begun.fresh()
    pruner = build_pruner(kind, model, begun, ratio, steps, round_to)
    for _ in range(steps):
        # sparse training must come before the cut: it takes its epochs from those after it
        sparse = config.epochs // 2 if kind == "group-norm" else 0
        if sparse:
            pruner.update_regularizer()
            with regularized(pruner, model):
                train(model, begun.task, replace(config, epochs=sparse))
        if kind == "taylor":
            accumulate_gradients(model, begun)
        pruner.step()
        tell_attention(pruner, model)
        train(model, begun.task, replace(config, epochs=config.epochs - sparse))
    file = path.with_suffix(".onnx")
    begun.export(model, file)
    return file


def build_pruner(kind: str, model: nn.Module, begun: Start, ratio: float, steps: int, round_to: int) -> Any:
    heads = attention_heads(model)
    # its defaults for the three dictionaries are shared by all pruners of a process
    settings: dict[str, Any] = {"in_channel_groups": {}, "out_channel_groups": {}, "num_heads": heads}
    if heads:
        settings |= {"prune_num_heads": True, "prune_head_dims": False, "head_pruning_ratio": ratio}
    kind_of_pruner = tp.pruner.GroupNormPruner if kind == "group-norm" else tp.pruner.BasePruner
    return kind_of_pruner(
        model,
        begun.example,
        importance=IMPORTANCES[kind](),
        pruning_ratio=ratio,
        iterative_steps=steps,
        ignored_layers=ignored_layers(model, heads),
        round_to=round_to,
        **settings,
    )


def ignored_layers(model: nn.Module, heads: dict[nn.Module, int]) -> list[nn.Module]:
    """Return the classifier, which the README says to leave, and what makes a transformer's embedding.

    Cutting the embedding of Hugging Face's BERT raises an IndexError in Torch-Pruning 1.6.1.
    """
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    tables = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    widths = {table.embedding_dim for table in tables}
    hidden = [layer for layer in linears if layer.out_features in widths and layer not in heads]
    return [linears[-1], *tables, *hidden]


def attention_heads(model: nn.Module) -> dict[nn.Module, int]:
    """Return the number of heads by the layer that makes queries, keys or values."""
    heads: dict[nn.Module, int] = {}
    for module in model.modules():
        count = getattr(module, "num_attention_heads", None) or getattr(module, "num_heads", None)
        parts = [getattr(module, name, None) for name in ("query", "key", "value")]
        if count and all(isinstance(part, nn.Linear) for part in parts):
            heads |= {part: int(count) for part in parts if part is not None}
    return heads


def tell_attention(pruner: Any, model: nn.Module) -> None:
    """Tell attention modules how many heads are left, which Torch-Pruning leaves to its user."""
    for module in model.modules():
        query = getattr(module, "query", None)
        if query not in pruner.num_heads:
            continue
        left = pruner.num_heads[query]
        facts = {
            "num_attention_heads": left,
            "num_heads": left,
            "attention_head_size": query.out_features // left,
            "all_head_size": query.out_features,
        }
        for name, value in facts.items():
            if hasattr(module, name):
                setattr(module, name, value)


@contextmanager
def regularized(pruner: Any, model: nn.Module) -> Iterator[None]:
    """Let the pruner add to the gradients before every step of an optimizer, as sparse training wants it."""
    handle = register_optimizer_step_pre_hook(
        lambda *_: pruner.regularize(model)  # the optimizer is the trainer's own
    )
    try:
        yield
    finally:
        handle.remove()


def accumulate_gradients(model: nn.Module, begun: Start) -> None:
    model.zero_grad()
    for batch in begun.calibration.batches(64):
        inputs = (torch.from_numpy(array) for array in batch.inputs.values())
        begun.task.loss(model(*inputs), torch.from_numpy(batch.labels)).backward()


if __name__ == "__main__":
    main()
