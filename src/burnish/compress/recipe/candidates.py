"""Networks, and the files that are made of them: exported, quantized, fused."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from torch import nn

from burnish.compress.mixed import MixedConfig, search_mixed
from burnish.compress.network import WEIGHTS, load_weights, predict, save_weights, weights_digest
from burnish.compress.pruning.cut import Cut
from burnish.compress.pruning.groups import width_of
from burnish.compress.qat import QatConfig, quantize_aware
from burnish.compress.qat.prepare import weight_bits
from burnish.compress.quantize import QuantScheme
from burnish.compress.quantize.apply import quantize_with_report
from burnish.compress.recipe.folder import RunFolder, file_digest
from burnish.compress.training.config import binding
from burnish.compress.training.train import TrainConfig, train
from burnish.errors import BackendError, UnsupportedOpError
from burnish.evaluate.fusing import engine_run
from burnish.evaluate.hooks import dynamic_axes
from burnish.evaluate.task import score
from burnish.files import write_atomic
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.graph.fusion import Check, fuse
from burnish.resume import Facts
from burnish.runtime.machine import fingerprint

FLOAT = "float"
"""Name of the uncompressed candidate, which the others are compared with."""

_QUANTIZED = "quantized.onnx"

_CHECKED = 16
"""Examples on which a fused graph must agree with the one it was made of."""
_FUSION_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Network:
    """A float network of the run: the original, or what pruning and distillation made of it."""

    name: str
    build: Callable[[], nn.Module]
    """Makes it anew, with its weights, in eval mode."""
    cut: Cut | None = None
    """The cut that it came from."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be chosen."""

    name: str
    graph: Path
    """ONNX file."""
    network: str
    """Candidate that holds the same network in floating point."""
    made_by: str
    """Step that made it."""


def networks(model: nn.Module, cuts: Sequence[Cut], folder: RunFolder, finalists: int) -> list[Network]:
    """Return the original and the smallest accepted cuts, the larger first; 0 finalists takes all."""
    accepted = [cut for cut in cuts if cut.accepted]
    accepted.sort(key=lambda cut: -cut.parameters)
    pruned = (
        Network(f"pruned-{cut.ratio * 100:g}", partial(cut.restore, folder.task), cut)
        for cut in accepted[-finalists:]
    )
    return [Network(FLOAT, lambda: model), *pruned]


def distilled(network: Network, teacher: nn.Module, config: TrainConfig, folder: RunFolder) -> Network:
    """Train a pruned network on, with the original as its teacher, and keep it where its valid score rose."""
    model = network.build()
    valid = folder.task.split("valid")

    def mean() -> float:
        return float(score(folder.task, predict(model, folder.task, valid), valid.labels).mean())

    def work(place: Path) -> Facts:
        before = mean()
        checkpoint = place / "training.pt"
        epochs = train(
            model,
            folder.task,
            config,
            teacher=teacher,
            checkpoint=checkpoint,
            on_step=folder.reporter.steps(f"distil {network.name}", config.epochs),
        )
        after = mean()
        save_weights(model.state_dict(), place / WEIGHTS)
        checkpoint.unlink()
        return {"before": before, "after": after, "epochs": [asdict(epoch) for epoch in epochs]}

    found = folder.step(
        f"distil-{network.name}",
        work,
        weights=weights_digest(model),
        teacher=weights_digest(teacher),
        distil=binding(config),
    )
    if found.facts["after"] <= found.facts["before"]:
        folder.reporter.line(f"distil {network.name}: no gain, the network stays as it was")
        return network

    def build() -> nn.Module:
        better = network.build()
        load_weights(better, found.folder / WEIGHTS)
        return better.eval()

    return replace(network, name=f"{network.name}-distilled", build=build)


def exported(network: Network, folder: RunFolder) -> Candidate:
    """Write a network as ONNX."""
    task, model = folder.task, network.build()
    example = task.split("valid").sample(2).inputs

    def work(place: Path) -> Facts:
        graph = capture(model, example, output_names=task.output_names, dynamic=dynamic_axes(task))
        graph.save(place / "float.onnx")
        return {"widths": layer_widths(model), "operators": graph.operators()}

    found = folder.step(f"export-{network.name}", work, weights=weights_digest(model))
    return Candidate(network.name, found.folder / "float.onnx", network.name, "export")


def quantized(candidate: Candidate, scheme: QuantScheme, folder: RunFolder) -> Candidate | None:
    """Quantize a float candidate after training; None where this kind of quantization does not fit it."""
    kind = kind_of(scheme)

    def work(place: Path) -> Facts:
        try:
            made = quantize_with_report(ComputeGraph(candidate.graph), folder.task.split("train"), scheme)
        except UnsupportedOpError as error:
            return {"not_made": str(error)}
        made.graph.save(place / _QUANTIZED)
        return {
            "kept_float": made.report.kept,
            "notes": list(made.report.notes),
            "reduce_range": made.report.reduce_range,
            "operators": made.graph.operators(),
        }

    name = kind if candidate.name == FLOAT else f"{candidate.name}-{kind}"
    found = folder.step(
        f"quantize-{name}",
        work,
        graph=file_digest(candidate.graph),
        scheme=asdict(scheme),
        flags=fingerprint().flags,  # what a scheme leaves to the machine follows from them
    )
    if "not_made" in found.facts:
        folder.reporter.line(f"quantize {candidate.name} ({scheme.method}): {found.facts['not_made']}")
        return None
    return Candidate(name, found.folder / _QUANTIZED, candidate.network, "quantize")


def mixed(
    candidate: Candidate, original: Candidate, config: MixedConfig, folder: RunFolder
) -> Candidate | None:
    """Search what each layer of a float candidate computes in; None where no mixture is faster above the floor.

    Args:
        candidate: The original network, or a pruned one.
        original: Candidate whose score the floor counts from.
        config: How.
        folder: Of the run.
    """

    def work(place: Path) -> Facts:
        graph = ComputeGraph(candidate.graph)
        try:
            found = search_mixed(
                graph,
                folder.task,
                config,
                original=ComputeGraph(original.graph),
                work=place / "search",
                reporter=folder.reporter,
            )
        except UnsupportedOpError as error:
            return {"not_made": str(error)}
        facts: Facts = {"search": found.to_dict(), "kept_float": {}}
        if not found.chosen.methods:
            return facts | {"not_made": "no mixture of number formats is faster and stays above the floor"}
        write_atomic(place / _QUANTIZED, found.chosen.graph.read_bytes())
        nodes = {node for group in found.groups for node in group.nodes}
        reason = "the search found it best so"
        return facts | {"kept_float": dict.fromkeys(sorted(nodes - set(found.chosen.methods)), reason)}

    name = "mixed" if candidate.name == FLOAT else f"{candidate.name}-mixed"
    found = folder.step(
        f"search-{name}",
        work,
        graph=file_digest(candidate.graph),
        original=file_digest(original.graph),
        mixed=asdict(config),
        machine=asdict(fingerprint()),
    )
    if "not_made" in found.facts:
        folder.reporter.line(f"mixed {candidate.name}: {found.facts['not_made']}")
        return None
    return Candidate(name, found.folder / _QUANTIZED, candidate.network, "mixed")


def learnt(network: Network, teacher: nn.Module, config: QatConfig, folder: RunFolder) -> Candidate | None:
    """Train a network with the rounding of its integers in place; None where nothing of it can have integers."""
    model = network.build()

    def work(place: Path) -> Facts:
        checkpoint = place / "training.pt"
        try:
            found = quantize_aware(
                model, folder.task, config, teacher=teacher, checkpoint=checkpoint, reporter=folder.reporter
            )
        except UnsupportedOpError as error:
            return {"not_made": str(error)}
        found.graph.save(place / _QUANTIZED)
        checkpoint.unlink(missing_ok=True)
        return {
            "epochs": [asdict(epoch) for epoch in found.epochs],
            "integers": list(found.layers),
            "kept_float": dict(found.floats),
            "difference": found.difference,
        }

    name = "qat" if network.name == FLOAT else f"{network.name}-qat"
    found = folder.step(
        f"train-{name}",
        work,
        weights=weights_digest(model),
        teacher=weights_digest(teacher),
        qat=binding(config),
        weight_bits=weight_bits(config),  # a setting may leave them to the machine
    )
    if "not_made" in found.facts:
        folder.reporter.line(f"qat {network.name}: {found.facts['not_made']}")
        return None
    return Candidate(name, found.folder / _QUANTIZED, network.name, "qat")


def fused(candidate: Candidate, folder: RunFolder) -> Candidate | None:
    """Rewrite a candidate's graph into one with fewer nodes; None where no pass changes it."""

    def work(place: Path) -> Facts:
        few = folder.task.split("valid").sample(_CHECKED).inputs
        check = Check(few, engine_run(), tolerance=_FUSION_TOLERANCE)
        try:
            done = fuse(ComputeGraph(candidate.graph), check=check)
        except (BackendError, UnsupportedOpError) as error:
            return {"not_made": f"what fusing changes cannot be checked: {error.message}"}
        if done.report.changed:
            done.graph.save(place / "fused.onnx")
        return {
            "passes": [
                {"name": one.name, "matched": one.matched, "nodes": one.nodes, "error": one.error}
                for one in done.report.changed
            ],
            "skipped": done.report.skipped,
        }

    found = folder.step(f"fuse-{candidate.name}", work, graph=file_digest(candidate.graph))
    if not found.facts.get("passes"):
        reason = found.facts.get("not_made", "no pass changes it")
        folder.reporter.line(f"fuse {candidate.name}: {reason}")
        return None
    path = found.folder / "fused.onnx"
    return Candidate(f"{candidate.name}-fused", path, candidate.network, "fuse")


def kind_of(scheme: QuantScheme) -> str:
    """Return the short name of what a scheme makes.

    >>> kind_of(QuantScheme()), kind_of(QuantScheme(method="weight-only", weight_bits=4))
    ('int8', 'weight-int4')
    """
    names = {"static": "int8", "dynamic": "dynamic", "float16": "fp16", "bfloat16": "bf16"}
    return names.get(scheme.method, f"weight-int{scheme.weight_bits}")


def layer_widths(model: nn.Module) -> dict[str, int]:
    """Return the output channels of every convolution and linear layer, by its name."""
    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    return {name: width_of(layer) for name, layer in model.named_modules() if isinstance(layer, kinds)}
