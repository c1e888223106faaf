"""How a network is narrowed, as data."""

from dataclasses import dataclass, field

from burnish.compress.pruning.allocation import AllocationScope
from burnish.compress.pruning.importance import ImportanceName
from burnish.compress.pruning.planning import Rounding
from burnish.compress.pruning.schedule import ScheduleName
from burnish.compress.pruning.targets import MeasureName
from burnish.compress.pruning.units import UnitKind
from burnish.compress.target_engine import EngineConfig
from burnish.compress.training.train import TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneConfig:
    """How far to prune, in what steps, and when to stop."""

    step: float = 0.05
    """Share of the original channels that a step removes from every group."""
    target: float = 0.5
    """Where to stop: a share that is gone, or for ``latency`` how many times faster."""
    measure: MeasureName = "channels"
    """What the target counts; ``latency`` is that of the exported file in ``engine``, by the interval's lower end."""
    most: float = 0.9
    """Share of the channels that may go on the way to a target that counts something else."""
    must_reach: bool = False
    """Whether to fail when the target is missed; the best network that was reached is kept either way."""
    schedule: ScheduleName = "even"
    """How the steps follow each other."""
    kinds: tuple[UnitKind, ...] = ("channels", "heads")
    """What is cut: ``channels`` between two layers, such as of a feed-forward block; ``heads`` of an attention; and
    ``hidden``, the width of a token throughout a transformer, which costs more accuracy."""
    importance: ImportanceName = "l1"
    """Which channels go first."""
    scope: AllocationScope = "uniform"
    """Whether every unit loses the same share, or those lose more whose parts matter less: among units of one kind
    and width (``local``) or among all (``global``)."""
    least: float = 0.5
    """Of what ``uniform`` would leave to a unit, the share that another scope leaves it at least."""
    rounding: Rounding = "measured"
    """How widths are rounded: ``measured`` asks ``engine`` what each layer costs at each width."""
    round_to: int = 8
    """Multiple that widths are rounded to, as the vector units want it; layers narrower than two such are left. With
    measured rounding it is only the first guess."""
    engine: EngineConfig = field(default_factory=EngineConfig)
    """Where widths and latency are measured."""
    floor_points: float | None = None
    """How many points of the valid score may be lost, by the lower end of the interval of the difference; None takes
    those of the recipe, and 1 without a recipe."""
    bisections: int = 2
    """How often the way between the last good and the first bad step is halved."""
    fine_tune: TrainConfig = field(
        default_factory=lambda: TrainConfig(epochs=10, learning_rate=0.03, patience=5)
    )
    """Training after each cut, with the original as the teacher."""

    def __post_init__(self) -> None:
        if self.measure == "latency":
            if not self.target > 1:
                raise ValueError(f"target is how many times faster, more than 1; got {self.target}")
        elif not 0 < self.target < 1:
            raise ValueError(f"0 < step <= target < 1 must hold, got step {self.step}, target {self.target}")
        if not 0 < self.step <= self.last < 1:
            name = "target" if self.measure == "channels" else "most"
            raise ValueError(f"0 < step <= {name} < 1 must hold, got step {self.step}, {name} {self.last}")
        if not 0 <= self.least <= 1:
            raise ValueError(f"least lies between 0 and 1, got {self.least}")
        if not self.kinds:
            raise ValueError("kinds must name at least one of channels, heads and hidden")
        if self.round_to < 1 or self.bisections < 0 or self.floor < 0:
            raise ValueError("round_to must be at least 1, bisections and floor_points at least 0")

    @property
    def floor(self) -> float:
        """Points that may be lost."""
        return 1.0 if self.floor_points is None else self.floor_points

    @property
    def last(self) -> float:
        """Share of the channels at which the steps end at the latest."""
        return self.target if self.measure == "channels" else self.most
