"""A test that never grows too old to notice a change."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

from burnish.rollout.evidence.eprocess import EProcess

T = TypeVar("T", bound=EProcess)

_FIRST_SHARE = 6 / math.pi**2
_STATE = ("log_e", "max_log_e", "seen", "windows", "waiting", "closed")


@dataclass(slots=True)
class RestartingTest(EProcess, Generic[T]):
    """An alarm that starts afresh after every ``window`` observations, and stays valid.

    A test that has seen ten thousand good answers needs many bad ones before its average turns. So a fresh
    copy takes over after each window. The k-th copy gets the share w_k = 6 / (pi^2 k^2) of the initial
    evidence; copies that have not begun hold theirs, finished ones keep what they earned. The sum is a
    mixture of e-processes with weights that sum to one, hence an e-process: the chance of a false alarm over
    the whole, endless run is still at most alpha.

    References:
        Shin, Ramdas and Rinaldo 2024, "E-detectors: a nonparametric framework for sequential change
        detection", arXiv:2203.03532 (weighted sums over start times).
    """

    fresh: T = field(kw_only=True)
    """A test that has seen nothing; each window begins with a copy of it."""
    window: int = field(default=500, kw_only=True)
    current: T = field(init=False)
    seen: int = field(default=0, init=False)
    """Observations in the current window."""
    windows: int = field(default=1, init=False)
    waiting: float = field(default=1 - _FIRST_SHARE, init=False)
    """Weight of the copies that have not begun."""
    closed: float = field(default=0.0, init=False)
    """Weighted evidence of the finished windows."""

    def __post_init__(self) -> None:
        """Begin the first window."""
        self.current = self._copy()

    def counted(self) -> float:
        """Take in one observation that has just been given to ``current``, and return the evidence."""
        self.seen += 1
        share = math.log(_FIRST_SHARE) - 2 * math.log(self.windows)
        rest = math.log(self.waiting + self.closed)
        high, low = max(rest, share + self.current.log_e), min(rest, share + self.current.log_e)
        evidence = self._advance(high + math.log1p(math.exp(low - high)))
        if self.seen >= self.window:
            self.closed += math.exp(min(700.0, share + self.current.log_e))
            self.current = self._copy()
            self.windows += 1
            self.waiting = max(1e-300, self.waiting - _FIRST_SHARE / self.windows**2)
            self.seen = 0
        return evidence

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as JSON data."""
        return {name: getattr(self, name) for name in _STATE} | {"current": asdict(self.current)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.current = type(self.fresh)(**state["current"])
        for name in _STATE:
            setattr(self, name, state[name])

    def _copy(self) -> T:
        return type(self.fresh)(**asdict(self.fresh))
