"""A fleet that lives in memory: real traffic policies, simulated models, a clock that moves by sleeping."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import sqlalchemy as sa

from burnish.errors import CapacityError
from burnish.rollout.history import History
from burnish.rollout.traffic import LiveTraffic, TrafficPolicy


@dataclass
class Model:
    """How a simulated version behaves."""

    accuracy: float = 0.9
    latency_ms: float = 10.0
    failing: bool = False
    nan: bool = False


@dataclass
class Fleet:
    """The admin face of a server, with simulated requests behind it."""

    behaviour: dict = field(default_factory=lambda: {"1": Model(), "2": Model()})
    loaded: set = field(default_factory=lambda: {"1"})
    rate: int = 40
    users: int = 0
    late_labels: bool = False
    epoch: str = "first"
    reachable: bool = True
    forgotten: int = 0
    now: float = 0.0
    seed: int = 5
    policies: list = field(default_factory=list)
    digests: dict = field(default_factory=dict)

    def __post_init__(self):
        self.live = LiveTraffic(self.clock)
        self.live.apply("m", TrafficPolicy(primary="1"))
        self.log = []
        self.waiting = []
        self.rng = np.random.default_rng(self.seed)
        self.requests = 0

    # The face that a controller sees.

    def models(self):
        self._reach()
        versions = [{"version": v, "digest": self.digests.get(v, "")} for v in sorted(self.loaded)]
        return {"models": [{"name": "m", "versions": versions}]}

    def traffic(self, model):
        self._reach()
        return self.live.policy(model).to_dict()

    def set_traffic(self, model, policy):
        self._reach()
        applied = self.live.put(model, policy, loaded=self.loaded)
        self.policies.append(TrafficPolicy.from_dict(applied))
        return applied

    def observations(self, model, *, after=0, limit=1000):
        self._reach()
        page = [raw for raw in self.log[max(0, after - self.forgotten) :] if raw["seq"] > after][:limit]
        last = page[-1]["seq"] if page else after
        return {"epoch": self.epoch, "last_seq": last, "dropped": 0, "observations": page}

    def load(self, model, version, source):
        self._reach()
        self.loaded.add(version)
        return {}

    def _reach(self):
        if not self.reachable:
            raise CapacityError("the fleet cannot be reached")

    # Time and traffic.

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        for _ in range(self.rate):
            self._request()

    def restart(self):
        self.epoch += "'"
        self.log, self.waiting = [], []
        self.loaded = {"1"}
        self.live = LiveTraffic(self.clock)
        self.live.apply("m", TrafficPolicy(primary="1"))

    def weight(self):
        policy = self.live.policy("m")
        return policy.weight if self.live.lease_left_s("m") else 0.0

    def _request(self):
        self.requests += 1
        user = f"u{self.rng.integers(self.users)}" if self.users else f"r{self.requests}"
        route = self.live.route("m", user, {})
        luck, label = self.rng.random(), int(self.rng.integers(10))
        raw = {
            "id": f"{self.epoch}-{self.requests}",
            "user": user,
            "served": self._answer(route.version, label, luck),
            "shadow": self._answer(route.shadow, label, luck) if route.shadow else None,
            "label": None if self.late_labels else label,
        }
        self._append(raw, late=False)
        if self.late_labels:
            self.waiting.append({**raw, "label": label})
            if len(self.waiting) > 30:
                self._append(self.waiting.pop(0), late=True)

    def _append(self, raw, *, late):
        self.log.append({**raw, "seq": len(self.log) + 1, "late_label": late})

    def _answer(self, version, label, luck):
        model = self.behaviour[version]
        right = luck < model.accuracy
        return {
            "version": version,
            "answer": None if model.failing else (label if right else (label + 1) % 10),
            "latency_ms": float(model.latency_ms * self.rng.gamma(20, 1 / 20)),
            "error": "broken" if model.failing else "",
            "finite": not model.nan,
        }


class Alias:
    """The registry's alias, in memory."""

    def __init__(self):
        self.target = "1"
        self.error = None

    def version(self):
        return self.target

    def move(self, version):
        if self.error is not None:
            raise self.error
        self.target = version


@pytest.fixture
def fleet():
    return Fleet()


@pytest.fixture
def alias():
    return Alias()


@pytest.fixture
def history(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'registry.db'}")
    yield History(engine)
    engine.dispose()
