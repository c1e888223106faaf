"""What the demo does, and how much of it."""

from dataclasses import dataclass, field

from burnish.compress import CompressConfig, TrainConfig
from burnish.compress.pruning.prune import PruneConfig
from burnish.rollout.plan import GuardLimits, RolloutPlan


def _compress() -> CompressConfig:
    return CompressConfig(
        prune=PruneConfig(
            step=0.125,
            target=0.5,
            rounding="multiple",  # measured widths would tell one run from the next
            round_to=8,
            floor_points=1.5,
            fine_tune=TrainConfig(epochs=5, learning_rate=0.03),
        ),
        floor_points=1.5,
    )


def _plan() -> RolloutPlan:
    return RolloutPlan(
        criterion="noninferior",
        margin=2.0,
        shadow_share=0.2,
        min_requests=150,
        soak_s=2.0,
        lease_s=3.0,
        # one machine runs clients, server, engines and controller: only a gross slowdown means anything here
        guards=GuardLimits(latency_ratio=20.0, latency_slack_ms=250.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """Settings of the demo; the defaults take a few minutes on two cores."""

    task: str = "digits"
    """What is learnt: a ready task or the path of a task.py whose outputs are scores over classes."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """Training of the float model."""
    compress: CompressConfig = field(default_factory=_compress)
    """What is tried to make it smaller and faster."""
    rollout: RolloutPlan = field(default_factory=_plan)
    """What the compressed model must show in production."""
    clients: int = 4
    """Concurrent clients."""
    load_requests: int = 2000
    """Requests of the load test, over all clients."""
    request_timeout_s: float = 1.0
    """How long a request may take on the demo's server."""
    fault_at_percent: int = 50
    """Share of the traffic at which the planted fault strikes the next version."""
    patience_s: float = 120.0
    """How long each rollout may take."""

    def __post_init__(self) -> None:
        if self.clients < 1 or self.load_requests < self.clients:
            raise ValueError("clients must be at least 1, and load_requests at least clients")
        if self.rollout.soak_s < 2 * self.request_timeout_s:
            raise ValueError(
                "rollout.soak_s must be at least twice request_timeout_s: a version that hangs shows it no sooner"
            )
        if self.fault_at_percent not in self.rollout.steps:
            raise ValueError(f"fault_at_percent must be one of the steps {self.rollout.steps}")
