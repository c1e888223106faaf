"""Progressive channel pruning: cut a little, recover, judge by the interval, and stop before it hurts."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from burnish.compress.groups import ChannelGroups, History, width_of
from burnish.compress.importance import Importance, ImportanceName, build_importance
from burnish.compress.network import (
    WEIGHTS,
    build_model,
    load_weights,
    predict,
    recalibrate_batch_norm,
    save_weights,
    tensors,
)
from burnish.compress.reporter import SILENT, Reporter
from burnish.compress.train import Epoch, TrainConfig, train
from burnish.errors import InputError
from burnish.evaluate.accuracy import Interval, paired_difference
from burnish.evaluate.task import Task, score
from burnish.files import write_atomic
from burnish.graph.signature import Array
from burnish.resume import Facts, Run

_HISTORY = "history.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneConfig:
    """How far to prune, in what steps, and when to stop."""

    step: float = 0.1
    """Share of the original channels that each step removes from every group."""
    target: float = 0.5
    """Share of the original channels removed when done."""
    importance: ImportanceName = "l1"
    """Which channels go first."""
    round_to: int = 8
    """Widths are kept a multiple of this, as the vector units want it; layers narrower than two such are left."""
    floor_points: float = 1.0
    """How many points of the valid score may be lost, by the lower end of the interval of the difference."""
    bisections: int = 1
    """How often the way between the last good and the first bad step is halved."""
    fine_tune: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=5, learning_rate=0.03))
    """Training after each cut, with the original as the teacher."""

    def __post_init__(self) -> None:
        if not 0 < self.step <= self.target < 1:
            raise ValueError(f"0 < step <= target < 1 must hold, got step {self.step}, target {self.target}")
        if self.round_to < 1 or self.bisections < 0 or self.floor_points < 0:
            raise ValueError("round_to must be at least 1, bisections and floor_points at least 0")


@dataclass(frozen=True, slots=True)
class Cut:
    """One pruned network."""

    ratio: float
    """Share of the original channels removed, before rounding."""
    widths: dict[str, int]
    """Channels left in each group, by the name of its first layer."""
    parameters: int
    recalibrated_score: float
    """Valid score after the cut with statistics estimated anew, before training."""
    score: float
    """Valid score after training."""
    difference: Interval
    """Valid score minus the original's, paired by example."""
    accepted: bool
    folder: Path

    def restore(self, task: Task) -> nn.Module:
        """Build the pruned network with its weights."""
        model = build_model(task)
        history: History = [tuple(item) for item in json.loads((self.folder / _HISTORY).read_bytes())]
        ChannelGroups(model, tensors(task.split("valid").take(np.arange(2)))).replay(history)
        load_weights(model, self.folder / WEIGHTS)
        return model.eval()


def prune(
    model: nn.Module, task: Task, config: PruneConfig, run: Run, *, reporter: Reporter = SILENT
) -> list[Cut]:
    """Prune step by step until the target, or until a step falls below the floor.

    Args:
        model: The trained original; not changed.
        task: Data, loss and score.
        config: How.
        run: Where each step is kept; finished steps are not done again.
        reporter: Told what happens.

    Returns:
        Every cut that was tried, in order; those with ``accepted`` passed the floor.
    """
    pruner = _Pruner(model, task, config, run, reporter)
    cuts: list[Cut] = []
    accepted: Cut | None = None
    for ratio in _ratios(config):
        if pruner.widths(ratio) == pruner.widths(accepted.ratio if accepted else 0.0):
            continue  # rounding leaves nothing to cut
        cut = pruner.cut(ratio, accepted)
        cuts.append(cut)
        if not cut.accepted:
            cuts += _bisect(pruner, accepted, cut, config.bisections)
            break
        accepted = cut
    return cuts


def _ratios(config: PruneConfig) -> list[float]:
    count = math.ceil(config.target / config.step - 1e-9)
    return [min(config.target, round(config.step * (i + 1), 6)) for i in range(count)]


def _bisect(pruner: "_Pruner", good: Cut | None, bad: Cut, times: int) -> list[Cut]:
    tried: list[Cut] = []
    low, high = good.ratio if good else 0.0, bad.ratio
    for _ in range(times):
        middle = round((low + high) / 2, 6)
        widths = pruner.widths(middle)
        if widths in (pruner.widths(low), pruner.widths(high)):
            break  # rounding leaves nothing between the two
        cut = pruner.cut(middle, good)
        tried.append(cut)
        if cut.accepted:
            low, good = middle, cut
        else:
            high = middle
    return tried


class _Pruner:
    """What stays the same over the steps."""

    def __init__(
        self, model: nn.Module, task: Task, config: PruneConfig, run: Run, reporter: Reporter
    ) -> None:
        self.original = model.eval()
        self.task = task
        self.config = config
        self.run = run
        self.reporter = reporter
        self.valid = task.split("valid")
        self.example = tensors(self.valid.take(np.arange(2)))
        self.baseline = self._scores(model)
        fresh = build_model(task).eval()
        self.full_widths = {name: width_of(layer) for name, layer in self._roots(fresh)[1]}

    def widths(self, ratio: float) -> dict[str, int]:
        """Return the channels that each group keeps at a ratio."""
        unit = self.config.round_to
        return {
            name: full
            if full < 2 * unit or not ratio
            else max(unit, unit * int(full * (1 - ratio) / unit + 0.5))
            for name, full in self.full_widths.items()
        }

    def cut(self, ratio: float, parent: Cut | None) -> Cut:
        """Do one step from its parent, or take it from an earlier run."""
        name = f"cut-{round(ratio * 1000):03d}"
        facts = self.run.step(name, lambda folder: self._work(folder, ratio, parent))
        cut = Cut(
            ratio=ratio,
            widths=facts["widths"],
            parameters=facts["parameters"],
            recalibrated_score=facts["recalibrated_score"],
            score=facts["score"],
            difference=Interval(**facts["difference"]),
            accepted=facts["accepted"],
            folder=self.run.folder(name),
        )
        verdict = "kept" if cut.accepted else "below the floor"
        self.reporter.line(
            f"cut {ratio:.0%} of channels: score {cut.score:.4f} "
            f"({cut.difference.value * 100:+.2f} points, low {cut.difference.low * 100:+.2f}), {verdict}"
        )
        return cut

    def _work(self, folder: Path, ratio: float, parent: Cut | None) -> Facts:
        model, history = self._start(parent)
        groups, roots = self._roots(model)
        data = self.task.split("train")
        importance = build_importance(self.config.importance, model, data, seed=self.config.fine_tune.seed)
        wanted = self.widths(ratio)
        for name, root in roots:
            doomed = _least_important(importance, groups, root, width_of(root) - wanted[name])
            if doomed:
                groups.remove(root, doomed)
        history += groups.history()
        self._check_outputs(model)
        recalibrate_batch_norm(model, data)
        recalibrated = float(self._scores(model).mean())
        train(
            model,
            self.task,
            self.config.fine_tune,
            teacher=self.original,
            checkpoint=folder / "training.pt",
            on_epoch=lambda epoch: self._tell(ratio, epoch),
        )
        scores = self._scores(model)
        difference = paired_difference(self.baseline, scores)
        save_weights(model.state_dict(), folder / WEIGHTS)
        write_atomic(folder / _HISTORY, json.dumps(history).encode())
        (folder / "training.pt").unlink()
        return {
            "widths": {name: width_of(root) for name, root in roots},
            "parameters": sum(p.numel() for p in model.parameters()),
            "recalibrated_score": recalibrated,
            "score": float(scores.mean()),
            "difference": asdict(difference),
            "accepted": bool(difference.low * 100 >= -self.config.floor_points),
        }

    def _start(self, parent: Cut | None) -> tuple[nn.Module, History]:
        if parent is not None:
            history: History = [tuple(i) for i in json.loads((parent.folder / _HISTORY).read_bytes())]
            return parent.restore(self.task), history
        model = build_model(self.task)
        model.load_state_dict(self.original.state_dict())
        return model.eval(), []

    def _roots(self, model: nn.Module) -> tuple[ChannelGroups, list[tuple[str, nn.Module]]]:
        groups = ChannelGroups(model, self.example)
        names = {module: name for name, module in model.named_modules()}
        return groups, [(names[root], root) for root in groups.roots()]

    def _scores(self, model: nn.Module) -> Array:
        return score(self.task, predict(model, self.task, self.valid), self.valid.labels)

    def _tell(self, ratio: float, epoch: Epoch) -> None:
        self.reporter.progress(f"cut {ratio:.0%} of channels", epoch.number, epoch.of)

    def _check_outputs(self, model: nn.Module) -> None:
        few = self.valid.take(np.arange(2))
        before = predict(self.original, self.task, few)
        try:
            after = predict(model, self.task, few)
        except Exception as error:  # whatever the user's forward may raise
            raise InputError(
                f"{type(model).__name__} fails once channels are cut: {type(error).__name__}: {error}",
                hint="take sizes from the tensors in forward, not from constants",
            ) from error
        for name, array in before.items():
            if after[name].shape != array.shape:
                raise InputError(
                    f"cutting channels changes output {name!r} from {array.shape[1:]} to {after[name].shape[1:]}",
                    hint="an output that is also an inner feature cannot be cut; return a projection of it",
                )


def _least_important(importance: Importance, groups: ChannelGroups, root: nn.Module, count: int) -> list[int]:
    if count <= 0:
        return []
    order = importance(groups.group(root)).argsort(stable=True)
    return sorted(int(i) for i in order[:count])
