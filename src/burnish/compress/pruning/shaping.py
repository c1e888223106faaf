"""What a network looks like once it is narrowed: which parts go, and the network without them, not yet trained."""

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from burnish.compress.network import build_model, predict, tensors
from burnish.compress.pruning.allocation import Ranking, allocate, unit_scores
from burnish.compress.pruning.config import PruneConfig
from burnish.compress.pruning.cut import Cut
from burnish.compress.pruning.groups import ChannelGroups, History
from burnish.compress.pruning.importance import build_importance
from burnish.compress.pruning.planning import Rounder, Widths
from burnish.compress.pruning.targets import Removed
from burnish.compress.pruning.units import Unit
from burnish.compress.reporter import Reporter
from burnish.errors import InputError
from burnish.evaluate.task import Task

Key = tuple[float, float]


def key_of(ratio: float, parent: Cut | None) -> Key:
    """Return what tells one narrowed network from another: its ratio, and that of the network it was cut from."""
    return ratio, parent.ratio if parent is not None else 0.0


class Shaper:
    """Narrows copies of one network.

    Args:
        original: The trained network; not changed.
        task: Builds networks, and gives data to importances that look at it.
        config: How.
        journal: File in which the run keeps measured widths.
        reporter: Told how far measuring is.

    Raises:
        InputError: The network cannot be traced.
    """

    def __init__(
        self, original: nn.Module, task: Task, config: PruneConfig, journal: Path, reporter: Reporter
    ) -> None:
        self._original = original
        self._task = task
        self._config = config
        self._few = task.split("valid").sample(2)
        self._example = tensors(self._few)
        self._plans: dict[Key, Widths] = {}
        self._last_ranking: tuple[float, Ranking] | None = None
        self._rounder = Rounder(
            self._copy(),
            self._example,
            kinds=config.kinds,
            rounding=config.rounding,
            multiple=config.round_to,
            engine=config.engine,
            journal=journal,
            on_progress=lambda done, of: reporter.progress("measure widths", done, of),
        )

    @property
    def full(self) -> dict[str, int]:
        """Parts of each unit of the original."""
        return self._rounder.full

    def removed(self, plan: Widths) -> Removed:
        """Return the share of the channels that widths remove."""
        return self._rounder.removed(plan.widths)

    def plan(self, ratio: float, parent: Cut | None) -> Widths:
        """Return how many parts each unit keeps at a ratio, coming from a parent; None is the original."""
        key = key_of(ratio, parent)
        if key not in self._plans:
            current = parent.widths if parent is not None else self.full
            self._plans[key] = self._rounder.plan(self._wanted(ratio, parent), current)
        return self._plans[key]

    def narrowed(self, ratio: float, parent: Cut | None) -> tuple[nn.Module, History]:
        """Build the parent's network and cut it to the planned widths.

        Returns:
            The network, and everything that was removed since the original.

        Raises:
            InputError: It does not work at these widths.
        """
        plan = self.plan(ratio, parent)
        model, groups, history = self._start(parent)
        scores = self._ranking(parent).scores
        for unit in self._units(groups):
            weakest = scores[unit.name].argsort(stable=True)[: unit.width - plan.widths[unit.name]]
            if len(weakest):
                groups.remove(unit, sorted(weakest.tolist()))
        self._check_outputs(model)
        return model, history + groups.history()

    def _wanted(self, ratio: float, parent: Cut | None) -> Mapping[str, float]:
        """Return the parts that each unit should keep, before rounding."""
        return allocate(
            self.full,
            ratio,
            scope=self._config.scope,
            floor=self._config.least,
            ranking=lambda: self._ranking(parent),
        )

    def _ranking(self, parent: Cut | None) -> Ranking:
        """Return how much each part of a network matters; of the last one that was asked for it is known."""
        ratio = parent.ratio if parent is not None else 0.0
        if self._last_ranking is None or self._last_ranking[0] != ratio:
            model, groups, _ = self._start(parent)
            seed = self._config.fine_tune.seed
            importance = build_importance(self._config.importance, model, self._task, seed=seed)
            units = self._units(groups)
            self._last_ranking = ratio, Ranking(units, unit_scores(units, groups, importance))
        return self._last_ranking[1]

    def _start(self, parent: Cut | None) -> tuple[nn.Module, ChannelGroups, History]:
        """Build the parent's network, which may then be changed."""
        if parent is not None:
            model, history = parent.restore(self._task), parent.history()
        else:
            model, history = self._copy(), []
        return model, ChannelGroups(model, self._example, unprunable=self._rounder.unprunable), history

    def _units(self, groups: ChannelGroups) -> list[Unit]:
        return [unit for unit in groups.units() if unit.name in self.full]

    def _copy(self) -> nn.Module:
        model = build_model(self._task)
        model.load_state_dict(self._original.state_dict())
        return model.eval()

    def _check_outputs(self, model: nn.Module) -> None:
        before = predict(self._original, self._task, self._few)
        try:
            after = predict(model, self._task, self._few)
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
