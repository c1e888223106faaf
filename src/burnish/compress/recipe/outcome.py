"""What a run came to, as its record and its report tell it."""

from dataclasses import asdict, dataclass
from typing import Any

from burnish.compress.pruning.prune import Cut
from burnish.compress.recipe.candidates import FLOAT
from burnish.compress.recipe.config import CompressConfig
from burnish.compress.recipe.folder import Evidence
from burnish.compress.recipe.judge import Judged
from burnish.compress.recipe.measure import Measured, Option, latency_facts
from burnish.resume import Facts


@dataclass(frozen=True, slots=True)
class Inspected:
    """The tensors of one quantized candidate."""

    candidate: str
    facts: Facts
    """See `burnish.compress.recipe.inspection.inspect`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that a run found."""

    task: str
    config: CompressConfig
    measured: Measured
    front: tuple[Option, ...]
    chosen: Option | None
    """None where no candidate stays above the floor."""
    missed: str
    """By how much the best misses the floor, where none is chosen."""
    cuts: tuple[Cut, ...]
    judged: tuple[Judged, ...]
    evidence: tuple[Evidence, ...]
    inspected: Inspected | None
    """None where no candidate has quantized tensors to show."""

    def facts_of(self, step: str) -> Facts | None:
        """Return what a step found; None when it was not done."""
        return next((one.facts for one in self.evidence if one.step == step), None)

    @property
    def best(self) -> Option:
        """The chosen option, or without one the compressed one that loses least."""
        if self.chosen is not None:
            return self.chosen
        compressed = [option for option in self.measured.options if option.candidate != FLOAT]
        return max(compressed or self.measured.options, key=lambda option: option.valid_difference.low)

    def network_of(self, option: Option) -> str:
        """Return the name of the float candidate with an option's network."""
        return next(one.candidate.network for one in self.judged if one.candidate.name == option.candidate)

    def record(self) -> dict[str, Any]:
        """Return everything as plain data."""
        on_front = {(option.candidate, option.backend) for option in self.front}
        chosen = self.chosen
        return {
            "task": self.task,
            "config": asdict(self.config),
            "machine": asdict(self.measured.machine),
            "eager": {str(batch): latency_facts(one) for batch, one in self.measured.eager.items()},
            "options": [
                _option(option) | {"on_front": (option.candidate, option.backend) in on_front}
                for option in self.measured.options
            ],
            "refused": {one.candidate.name: dict(one.refused) for one in self.judged if one.refused},
            "cuts": [asdict(cut) | {"folder": str(cut.folder)} for cut in self.cuts],
            "steps": [
                {"step": one.step, "folder": str(one.folder), "facts": one.facts} for one in self.evidence
            ],
            "chosen": None if chosen is None else {"candidate": chosen.candidate, "backend": chosen.backend},
            "missed": self.missed,
        }


def _option(option: Option) -> dict[str, Any]:
    return asdict(option) | {
        "graph": str(option.graph),
        "latency": latency_facts(option.latency),
        "timings": [asdict(one) | {"latency": latency_facts(one.latency)} for one in option.timings],
    }
