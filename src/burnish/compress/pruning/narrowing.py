"""One step of pruning: cut what matters least, estimate statistics anew, recover from the teacher, judge."""

import copy
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from torch import nn

from burnish.compress.network import predict, recalibrate_batch_norm, tensors
from burnish.compress.pruning.config import PruneConfig
from burnish.compress.pruning.cut import Cut, save_cut
from burnish.compress.pruning.planning import Widths
from burnish.compress.pruning.shaping import Key, Shaper, key_of
from burnish.compress.pruning.targets import Reached, Size, compared, size_of
from burnish.compress.reporter import Reporter
from burnish.compress.target_engine import prepared, speedup
from burnish.compress.training.train import train
from burnish.evaluate.accuracy import Interval, paired_difference
from burnish.evaluate.hooks import dynamic_axes
from burnish.evaluate.task import Task, score
from burnish.graph import ComputeGraph
from burnish.graph.capture import capture
from burnish.graph.signature import Array
from burnish.resume import Facts, Run

_WIDTHS = "widths.json"
_EXPORT = "network.onnx"


class Narrower:
    """Does single steps; what stays the same over all of them is kept here.

    Args:
        model: The trained original; not changed.
        task: Data, loss and score.
        config: How.
        run: Where each step is kept; finished steps are not done again.
        reporter: Told what happens.
    """

    def __init__(
        self, model: nn.Module, task: Task, config: PruneConfig, run: Run, reporter: Reporter
    ) -> None:
        self._original = model.eval()
        self._task = task
        self._config = config
        self._run = run
        self._reporter = reporter
        self._valid = task.split("valid")
        self._size = self._size_of(model)
        self._shaper = Shaper(model, task, config, run.root / _WIDTHS, reporter)
        self._outlooks: dict[Key, Reached] = {}

    @property
    def full(self) -> dict[str, int]:
        """Parts of each unit of the original."""
        return self._shaper.full

    def plan(self, ratio: float, parent: Cut | None) -> Widths:
        """Return how many parts each unit keeps at a ratio, coming from a parent; None is the original."""
        return self._shaper.plan(ratio, parent)

    def outlook(self, ratio: float, parent: Cut | None) -> Reached:
        """Return how small the network would be at a ratio, without training it.

        A target in latency is measured on the exported file, once in a run.
        """
        key = key_of(ratio, parent)
        if key not in self._outlooks:
            look = self._timed if self._config.measure == "latency" else self._counted
            self._outlooks[key] = look(ratio, parent)
        return self._outlooks[key]

    def cut(self, ratio: float, parent: Cut | None) -> Cut:
        """Do one step from its parent, or take it from an earlier run."""
        speed = self.outlook(ratio, parent).speedup if self._config.measure == "latency" else None
        name = f"cut-{_label(ratio)}"
        facts = self._run.step(name, lambda folder: self._work(folder, ratio, parent, speed))
        return Cut.from_facts(facts, self._run.folder(name))

    def _work(self, folder: Path, ratio: float, parent: Cut | None, speed: Interval | None) -> Facts:
        model, history = self._shaper.narrowed(ratio, parent)
        recalibrate_batch_norm(model, self._task.split("train"))
        before, weights = self._scores(model), copy.deepcopy(model.state_dict())
        checkpoint = folder / "training.pt"
        epochs = train(
            model,
            self._task,
            self._config.fine_tune,
            teacher=self._original,
            checkpoint=checkpoint,
            on_step=self._reporter.steps(f"cut {ratio:.1%} of channels", self._config.fine_tune.epochs),
        )
        scores = self._scores(model)
        if before.mean() > scores.mean():  # training made it worse: the best that was seen is kept
            model.load_state_dict(weights)
            scores = before
        difference = paired_difference(self._baseline, scores)
        save_cut(model, history, folder)
        checkpoint.unlink(missing_ok=True)
        plan, size = self.plan(ratio, parent), self._size_of(model)
        return {
            "ratio": ratio,
            "widths": plan.widths,
            "untouched": plan.untouched,
            "parameters": size.parameters,
            "macs": size.macs,
            "reached": compared(size, self._size, self._shaper.removed(plan), speed).as_facts(),
            "recalibrated_score": float(before.mean()),
            "score": float(scores.mean()),
            "epochs": len(epochs),
            "difference": asdict(difference),
            "accepted": bool(difference.low * 100 >= -self._config.floor),
        }

    def _counted(self, ratio: float, parent: Cut | None) -> Reached:
        model, _ = self._shaper.narrowed(ratio, parent)
        return self._compared(model, ratio, parent)

    def _timed(self, ratio: float, parent: Cut | None) -> Reached:
        """Time the network's exported file against the original's; the times of one run stay as they are."""
        original = self._original_graph

        def work(_: Path) -> Facts:
            model, _history = self._shaper.narrowed(ratio, parent)
            times = speedup(
                original,
                prepared(self._capture(model), self._task, self._config.engine),
                self._task,
                self._config.engine,
                on_round=lambda done, of: self._reporter.progress(f"time {ratio:.1%} cut", done, of),
            )
            return self._compared(model, ratio, parent, times).as_facts()

        ratios = (_label(part) for part in key_of(ratio, parent))
        return Reached.from_facts(self._run.step("speed-{}-after-{}".format(*ratios), work))

    def _compared(
        self, model: nn.Module, ratio: float, parent: Cut | None, speed: Interval | None = None
    ) -> Reached:
        removed = self._shaper.removed(self.plan(ratio, parent))
        return compared(self._size_of(model), self._size, removed, speed)

    @cached_property
    def _original_graph(self) -> ComputeGraph:
        def work(folder: Path) -> Facts:
            self._capture(self._original).save(folder / _EXPORT)
            return {}

        self._run.step("original", work)
        return ComputeGraph(self._run.folder("original") / _EXPORT)

    @cached_property
    def _baseline(self) -> Array:
        return self._scores(self._original)

    def _capture(self, model: nn.Module) -> ComputeGraph:
        example = self._valid.sample(2).inputs
        return capture(model, example, output_names=self._task.output_names, dynamic=dynamic_axes(self._task))

    def _size_of(self, model: nn.Module) -> Size:
        return size_of(model, tensors(self._valid.sample(1)))

    def _scores(self, model: nn.Module) -> Array:
        return score(self._task, predict(model, self._task, self._valid), self._valid.labels)


def _label(ratio: float) -> str:
    """Name a ratio in thousandths: 0.05 is ``050``, 0.4375 is ``437.5``."""
    return f"{round(ratio * 1000, 3):03g}"
