"""The rollout file: how far, how fast and on which evidence a candidate may go."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from burnish.config import load_config
from burnish.errors import ConfigError

Criterion = Literal["superior", "noninferior"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLimits:
    """Limits whose breach aborts a rollout."""

    alpha: float = 0.001
    """Chance of a false alarm of each guard over the whole rollout."""
    error_rate: float = 0.01
    """Share of the candidate's answers that may fail."""
    nonfinite_rate: float = 0.001
    """Share of the candidate's answers that may hold NaN or infinity."""
    latency_ratio: float = 2.0
    """An answer is slow when it takes this many times the primary's 99th percentile."""
    latency_slack_ms: float = 5.0
    """An answer is never called slow within this much of the primary's 99th percentile."""
    latency_share: float = 0.05
    """Share of slow answers allowed at full weight, where no primary traffic is left to compare with."""
    constant_pairs: int = 100
    """Pairs in a row with one and the same answer of the candidate, while the primary's vary; 0 is off."""

    def __post_init__(self) -> None:
        """Refuse limits out of range."""
        for name in ("alpha", "error_rate", "nonfinite_rate", "latency_share"):
            _within(name, getattr(self, name))
        if self.latency_ratio < 1:
            raise ConfigError(f"guards: latency_ratio = {self.latency_ratio} is below 1")
        if self.latency_slack_ms < 0 or self.constant_pairs < 0:
            raise ConfigError("guards: latency_slack_ms and constant_pairs must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """What a candidate must show at which share of the traffic."""

    criterion: Criterion = "superior"
    """``superior``: more often right than the primary; ``noninferior``: not worse by more than the margin."""
    margin: float = 1.0
    """Points of accuracy that a non-inferior candidate may lose; for ``superior`` it is not used."""
    alpha: float = 0.01
    """Chance of ever promoting a candidate that does not meet the criterion, spent over all candidates."""
    alpha_abort: float = 0.001
    """Chance of ever aborting a candidate that does no harm."""
    steps: tuple[int, ...] = (10, 25, 50, 100)
    """Percent of the traffic that the candidate answers, after the shadow stage."""
    shadow_share: float = 0.1
    """Share of the requests that both versions answer, for the paired evidence."""
    min_pairs: int = 100
    """Labelled pairs before the first step."""
    min_requests: int = 50
    """Requests that the candidate must answer at each step before the next."""
    max_pairs: int = 0
    """Labelled pairs after which an undecided rollout ends as inconclusive; 0 is no limit."""
    soak_s: float = 0.0
    """Time at the last step before the candidate becomes the primary."""
    timeout_s: float = 0.0
    """Time after which an undecided rollout ends as inconclusive; 0 is no limit."""
    poll_ms: float = 100.0
    """How often the observations are read."""
    lease_s: float = 10.0
    """How long routers keep a weight when the controller falls silent; renewed three times as often."""
    guards: GuardLimits = field(default_factory=GuardLimits)
    """Limits whose breach aborts."""

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be carried out."""
        for name in ("alpha", "alpha_abort"):
            _within(name, getattr(self, name))
        if not 0 < self.margin < 100:
            raise ConfigError(f"rollout: margin = {self.margin} points is not between 0 and 100")
        if not 0 < self.shadow_share <= 1:
            raise ConfigError(
                f"rollout: shadow_share = {self.shadow_share} is not above 0 and at most 1",
                hint="the evidence comes from mirrored requests",
            )
        if not self.steps or list(self.steps) != sorted({*self.steps}) or self.steps[0] <= 0:
            raise ConfigError(f"rollout: steps = {list(self.steps)} must rise", hint="such as 10,25,50,100")
        if self.steps[-1] != 100:
            raise ConfigError(f"rollout: the last step is {self.steps[-1]}, not 100")
        if self.poll_ms <= 0 or self.lease_s <= 0:
            raise ConfigError("rollout: poll_ms and lease_s must be positive")
        if self.poll_ms > self.lease_s * 250:
            raise ConfigError(
                "rollout: poll_ms is too long for lease_s", hint="at most a quarter of the lease"
            )
        if min(self.min_pairs, self.min_requests) < 1:
            raise ConfigError("rollout: min_pairs and min_requests must be at least 1")
        if min(self.max_pairs, self.soak_s, self.timeout_s) < 0:
            raise ConfigError("rollout: max_pairs, soak_s and timeout_s must not be negative")


def load_plan(file: Path | None = None, **flags: Any) -> RolloutPlan:
    """Read a plan: flags over ``BURNISH_ROLLOUT_*`` over the rollout file over the defaults.

    Raises:
        ConfigError: An unknown key, a wrong type or a plan that cannot be carried out.
    """
    return load_config(RolloutPlan, file=file, env_prefix="BURNISH_ROLLOUT_", flags=flags)


def _within(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ConfigError(f"rollout: {name} = {value} is not between 0 and 1")
