"""The recipe of a run as plain settings: which steps, how each is done, and how good the outcome must stay."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from burnish.compress.mixed import MixedConfig
from burnish.compress.pruning.prune import PruneConfig
from burnish.compress.qat import QatConfig
from burnish.compress.quantize import QuantScheme
from burnish.compress.quantize.scheme import Method
from burnish.compress.quantize.settings import check_settings, with_method
from burnish.compress.recipe.choose import Preference
from burnish.compress.training.train import TrainConfig
from burnish.config import load_config
from burnish.evaluate.latency import BenchConfig

StepName = Literal["prune", "distil", "quantize", "mixed", "qat", "fuse"]
STEPS: tuple[StepName, ...] = get_args(StepName)
"""All steps in the order in which they build on each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressConfig:
    """What to try, and how good it must stay."""

    steps: tuple[StepName, ...] = ("prune", "quantize")
    """Steps, in their order: ``prune``, ``distil`` (train the pruned networks on), ``quantize`` (after training),
    ``mixed`` (search what each layer computes in), ``qat`` (train with quantization in the network), ``fuse``
    (rewrite the graphs)."""
    prune: PruneConfig = field(default_factory=PruneConfig)
    """Step ``prune``."""
    finalists: int = 4
    """Accepted cuts that go on to the steps after pruning, the smallest ones; 0 takes all."""
    distil: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=20, learning_rate=0.03))
    """Step ``distil``: training of every finalist, with the original as its teacher."""
    quantize: QuantScheme = field(default_factory=QuantScheme)
    """Step ``quantize``."""
    methods: tuple[Method, ...] = ()
    """Kinds of quantization that step ``quantize`` tries, each a candidate with those settings of ``quantize`` that
    mean something to it, as each must to one of them; empty tries its ``method`` alone."""
    mixed: MixedConfig = field(default_factory=MixedConfig)
    """Step ``mixed``: of the smallest network first, then of larger ones as long as none stays above the floor."""
    qat: QatConfig = field(default_factory=QatConfig)
    """Step ``qat``: of the smallest network first, then of larger ones as long as none stays above the floor."""
    bench: BenchConfig = field(default_factory=lambda: BenchConfig(pause_s=0.1))
    """How latency is measured. The threads of an engine look for work for a while after a call, so that the next
    contender would be slowed without a pause."""
    backends: tuple[str, ...] = ("onnxruntime", "openvino")
    """Engines that every candidate is measured on; ``prune`` and ``mixed`` measure on the first, unless their own
    ``engine`` names another."""
    batches: tuple[int, ...] = (1,)
    """Batch sizes that are timed; the first chooses, and is that of ``prune`` and ``mixed`` unless their own
    ``engine`` names another."""
    floor_points: float = 1.0
    """Points of the valid score that the chosen candidate may lose, by the interval's lower end; also in ``prune``
    and ``mixed``, unless they have a ``floor_points`` of their own."""
    prefer: Preference = "latency"
    """What the chosen candidate shall be best in, of those above the floor."""

    def __post_init__(self) -> None:
        if not self.backends:
            raise ValueError("backends must name at least one engine")
        if len(set(self.backends)) < len(self.backends):
            raise ValueError(f"backends names an engine twice: {', '.join(self.backends)}")
        if self.floor_points < 0:
            raise ValueError(f"floor_points must be at least 0, got {self.floor_points}")
        if self.finalists < 0:
            raise ValueError(f"finalists must be at least 0, got {self.finalists}")
        if not self.batches or min(self.batches) < 1 or len(set(self.batches)) < len(self.batches):
            raise ValueError(f"batches must name sizes of at least 1, each once, got {self.batches}")
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods names a kind twice: {', '.join(self.methods)}")
        self._check_steps()
        if "quantize" in self.steps:
            check_settings(self.quantize, self.methods)

    def _check_steps(self) -> None:
        ordered = tuple(step for step in STEPS if step in self.steps)
        if not self.steps or self.steps != ordered:
            wanted = ", ".join(ordered or STEPS)
            raise ValueError(
                f"steps must name at least one, each once and in the order in which they build on each other "
                f"({wanted}), got {', '.join(self.steps) or 'none'}"
            )
        if "distil" in self.steps and "prune" not in self.steps:
            raise ValueError("step distil trains pruned networks: it needs step prune before it")

    def settled(self) -> "CompressConfig":
        """Return the same with what ``prune`` and ``mixed`` leave open filled in.

        They take the first of the engines and batch sizes that candidates are measured on, and the floor of the
        recipe. This is no default of theirs, since a file may name the one and a flag the other.
        """
        first = self.backends[0], self.batches[0]
        return replace(
            self,
            prune=replace(
                self.prune, engine=self.prune.engine.settled(*first), floor_points=self._floor_of(self.prune)
            ),
            mixed=replace(
                self.mixed, engine=self.mixed.engine.settled(*first), floor_points=self._floor_of(self.mixed)
            ),
        )

    def _floor_of(self, step: PruneConfig | MixedConfig) -> float:
        return self.floor_points if step.floor_points is None else step.floor_points

    def schemes(self) -> tuple[QuantScheme, ...]:
        """Return the schemes that step ``quantize`` tries."""
        if not self.methods:
            return (self.quantize,)
        return tuple(with_method(self.quantize, method) for method in self.methods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that a run needs, as one file holds it."""

    task: str = ""
    """Name of a task, or path of a task.py; a path counts from the folder of the recipe."""
    weights: str = ""
    """Trained weights, as a path from the folder of the recipe; without them the task is trained."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """Training of the float model."""
    compress: CompressConfig = field(default_factory=CompressConfig)
    """What is tried, and how good it must stay."""


def load_recipe(file: Path | None, flags: Mapping[str, Any]) -> Recipe:
    """Read a recipe.

    Args:
        file: TOML file; None for the defaults alone.
        flags: Values that win over the file, nested as the recipe is; None counts as not given.

    Raises:
        ConfigError: The file cannot be read, or holds an unknown key, a wrong value, or steps in a wrong order.
    """
    recipe = load_config(Recipe, file=file, flags=flags)
    if file is None:
        return recipe
    if not flags.get("task") and recipe.task.partition(":")[0].endswith(".py"):
        recipe = replace(recipe, task=str(file.parent / recipe.task))
    if not flags.get("weights") and recipe.weights:
        recipe = replace(recipe, weights=str(file.parent / recipe.weights))
    return recipe
