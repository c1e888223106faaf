"""How a search for mixed precision is asked for."""

from dataclasses import dataclass, field

from burnish.compress.mixed.groups import Grouping
from burnish.compress.quantize.scheme import Method, QuantScheme
from burnish.compress.quantize.settings import check_settings
from burnish.compress.target_engine import EngineConfig

_METHODS = ("static", "dynamic", "weight-only")


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedConfig:
    """What a group of nodes may become, and how good the whole must stay."""

    methods: tuple[Method, ...] = ("static", "dynamic")
    """Kinds of quantization that are tried on each group; floating point always is."""
    scheme: QuantScheme = field(default_factory=QuantScheme)
    """Settings of every method, as far as they mean something to it; each must to one of them."""
    engine: EngineConfig = field(default_factory=EngineConfig)
    """What the latency is measured on."""
    grouping: Grouping = "role"
    """Nodes that are decided on together: those of one ``role`` (the same operator, weight shape and neighbours, such
    as one layer in every block of a transformer), or each ``node`` by itself."""
    most_groups: int = 24
    """Groups; where there are more, the smallest become one."""
    scan_examples: int = 256
    """Examples, drawn from the valid split, that a group is scanned with; the outcome is judged on all of them."""
    most_points: int = 8
    """Mixtures that are made and judged, beside the uniform ones."""
    floor_points: float | None = None
    """Points of the valid score that the outcome may lose against the original, by the interval's lower end; None
    takes those of the recipe, and 1 without a recipe."""

    def __post_init__(self) -> None:
        unknown = [method for method in self.methods if method not in _METHODS]
        if unknown or not self.methods or len(set(self.methods)) < len(self.methods):
            raise ValueError(
                f"methods are different ones of {', '.join(_METHODS)}, got {', '.join(self.methods) or 'none'}"
            )
        if self.scheme.keep_float or self.scheme.keep_ends_float:
            raise ValueError("the search decides what stays float: leave keep_float out of the scheme")
        check_settings(self.scheme, self.methods)
        if min(self.most_groups, self.scan_examples, self.most_points) < 1:
            raise ValueError("most_groups, scan_examples and most_points must be at least 1")
        if self.floor < 0:
            raise ValueError(f"floor_points must be at least 0, got {self.floor_points}")

    @property
    def floor(self) -> float:
        """Points that the outcome may lose."""
        return 1.0 if self.floor_points is None else self.floor_points
