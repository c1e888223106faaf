"""Progressive pruning: cut a little, recover, judge by the interval, and stop at the target or before it hurts."""

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from burnish.compress.pruning.config import PruneConfig
from burnish.compress.pruning.cut import Cut, best_of
from burnish.compress.pruning.narrowing import Narrower
from burnish.compress.pruning.schedule import halfway, ratios
from burnish.compress.pruning.targets import in_words, shortfall
from burnish.compress.reporter import SILENT, Reporter, Row
from burnish.errors import BudgetError
from burnish.evaluate.task import Task
from burnish.resume import Run

__all__ = ["Cut", "PruneConfig", "best_of", "check_target", "prune"]

_FINE = 0.002
"""Share of the channels to which a ratio that just meets a target, or just passes the floor, is looked for."""
_ROUNDOFF = 1e-9
"""Of a share that is a quotient of whole numbers."""


def prune(
    model: nn.Module, task: Task, config: PruneConfig, run: Run, *, reporter: Reporter = SILENT
) -> list[Cut]:
    """Prune step by step until the target, or until a step falls below the floor.

    Args:
        model: The trained original; not changed.
        task: Data, loss and score.
        config: How.
        run: Where each step is kept; finished steps are not done again, and an interrupted one goes on.
        reporter: Told what happens.

    Returns:
        Every cut that was tried, in order; those with ``accepted`` passed the floor, and the last of them is best.

    Raises:
        InputError: The network cannot be traced, or does not work with fewer channels.
        MissingExtraError: The engine that measures is not installed.
        BudgetError: The target was missed and ``must_reach`` is set; the text says by how much. What was reached is
            kept in the folder of the run, and `best_of` what a call without ``must_reach`` returns finds it again.
    """
    config = replace(config, engine=config.engine.settled())
    cuts = _Controller(Narrower(model, task, config, run, reporter), config, reporter).run()
    try:
        check_target(cuts, config)
    except BudgetError as missed:
        if config.must_reach:
            raise
        reporter.line(missed.message)
    return cuts


def check_target(cuts: Sequence[Cut], config: PruneConfig) -> None:
    """Raise when no accepted cut meets the target.

    Raises:
        BudgetError: The text says by how much the best one misses it, and what stopped it.
    """
    best = best_of(cuts)
    amount = _amount(best, config)
    refused = [cut for cut in cuts if not cut.accepted]
    # where no step was refused, a share of channels is met as nearly as rounding explains
    slack = best.reached.slack if config.measure == "channels" and best is not None and not refused else 0.0
    if amount + slack >= config.target - _ROUNDOFF:
        return
    if refused:
        first = min(refused, key=lambda cut: cut.ratio)
        reason = (
            f"; the next one, {in_words(config.measure, first.reached.amount(config.measure))}, may lose "
            f"{-first.difference.low * 100:.2f} points and {config.floor:g} are allowed"
        )
        hint = "allow more points, train longer after each cut, or give more validation data"
    elif config.measure == "channels":
        reason = ", although no step was refused: rounding keeps more, or leaves whole units as they are"
        hint = "round to a smaller multiple"
    else:
        reason = f", although {config.last:.0%} of the channels may go"
        hint = "aim lower, allow more channels to go, or round to a smaller multiple"
    kept = f"; the best is kept in {best.folder}" if best is not None else "; the original is the best"
    raise BudgetError(shortfall(config.measure, amount, config.target) + reason, hint=hint + kept)


class _Controller:
    """Decides which cut comes next."""

    def __init__(self, narrower: Narrower, config: PruneConfig, reporter: Reporter) -> None:
        self._narrower = narrower
        self._config = config
        self._reporter = reporter

    def run(self) -> list[Cut]:
        """Go from step to step."""
        cuts: list[Cut] = []
        good: Cut | None = None
        for asked in ratios(self._config.schedule, self._config.step, self._config.last):
            ratio, is_last = self._aimed(asked, good)
            if self._is_nothing(ratio, good):
                self._reporter.line(f"{ratio:.0%} of channels: rounding leaves nothing to cut")
                continue
            cut = self._cut(ratio, good)
            cuts.append(cut)
            if not cut.accepted:
                cuts += self._bisect(good, cut)
                break
            good = cut
            if is_last:
                break
        self._name_untouched(cuts)
        return cuts

    def _aimed(self, ratio: float, good: Cut | None) -> tuple[float, bool]:
        """Return a ratio that goes no further than the target wants, and whether it meets it."""
        measure = self._config.measure
        if measure == "channels":
            return ratio, ratio >= self._config.target
        if self._is_nothing(ratio, good):
            return ratio, False
        if self._narrower.outlook(ratio, good).amount(measure) < self._config.target:
            return ratio, False
        low, high = good.ratio if good else 0.0, ratio
        while high - low > _FINE:
            middle = halfway(low, high)
            if self._meets(middle, high, good):
                high = middle
            else:
                low = middle
        return high, True

    def _meets(self, middle: float, high: float, good: Cut | None) -> bool:
        if self._narrower.plan(middle, good).widths == self._narrower.plan(high, good).widths:
            return True  # the same network
        if self._is_nothing(middle, good):
            return False
        return self._narrower.outlook(middle, good).amount(self._config.measure) >= self._config.target

    def _bisect(self, good: Cut | None, bad: Cut) -> list[Cut]:
        tried: list[Cut] = []
        low, high, widths = good.ratio if good else 0.0, bad.ratio, bad.widths
        while len(tried) < self._config.bisections and high - low > _FINE:
            middle = halfway(low, high)
            # rounding makes networks of many ratios equal: those that are known already are not tried again
            if self._is_nothing(middle, good):
                low = middle
            elif self._narrower.plan(middle, good).widths == widths:
                high = middle
            else:
                cut = self._cut(middle, good)
                tried.append(cut)
                if cut.accepted:
                    low, good = middle, cut
                else:
                    high, widths = middle, cut.widths
        return tried

    def _is_nothing(self, ratio: float, good: Cut | None) -> bool:
        """Tell whether rounding leaves nothing to cut at a ratio."""
        return self._narrower.plan(ratio, good).widths == (good.widths if good else self._narrower.full)

    def _name_untouched(self, cuts: Sequence[Cut]) -> None:
        """Tell what the best network, or without one the last that was planned, has as wide as the original."""
        best = best_of(cuts)
        untouched = best.untouched if best else self._narrower.plan(self._config.last, None).untouched
        for name, reason in untouched.items():
            self._reporter.line(f"not cut: {name}: {reason}")

    def _cut(self, ratio: float, good: Cut | None) -> Cut:
        cut = self._narrower.cut(ratio, good)
        self._reporter.row(
            Row(
                step="prune",
                what=f"{cut.reached.channels:.1%} of channels",
                score=cut.score,
                difference=cut.difference,
                parameters=cut.parameters,
                macs=cut.macs,
                verdict=self._verdict(cut),
            )
        )
        return cut

    def _verdict(self, cut: Cut) -> str:
        speed = in_words("latency", cut.reached.amount("latency"))
        said = f", at least {speed}" if cut.reached.speedup is not None else ""
        return ("kept" if cut.accepted else "below the floor") + said


def _amount(best: Cut | None, config: PruneConfig) -> float:
    if best is None:
        return 1.0 if config.measure == "latency" else 0.0
    return best.reached.amount(config.measure)
