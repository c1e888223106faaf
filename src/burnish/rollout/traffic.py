"""Who answers a request, and who answers it again unseen: one immutable policy a model, swapped at once."""

import dataclasses
import hashlib
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from burnish.errors import ConfigError, ConflictError, NotFoundError, nearest

Arm = Literal["primary", "canary"]
_BITS = 53  # as many as a float holds, so that a bucket is never rounded up to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficPolicy:
    """How the requests of one model are shared between its versions.

    While a shadow is set, a request served by the primary is mirrored to the shadow and one served by the
    canary is mirrored to the primary, so that pairs of answers keep coming at every weight.
    """

    primary: str
    """Version that answers unless another rule applies."""
    canary: str = ""
    """Version that answers a share of the requests; empty for none."""
    weight: float = 0.0
    """Share of the requests that the canary answers, 0 to 1; valid only while the lease lasts."""
    lease_s: float = 10.0
    """How long the weight is valid after it was applied, on the router's monotonic clock."""
    shadow: str = ""
    """Version that answers mirrored requests unseen; empty for none."""
    shadow_share: float = 0.0
    """Share of the requests that are mirrored, 0 to 1."""
    pins: Mapping[str, Arm] = field(default_factory=dict)
    """Sticky keys (users or tenants) that always get one arm while the canary is live."""
    pin_header: str = "x-burnish-arm"
    """Request header whose value ``primary`` or ``canary`` chooses the arm while the canary is live."""
    rollout: str = ""
    """Identity of the rollout that set this policy; empty when an operator did."""
    halted: bool = False
    """Set by an abort or a rollback, so that a restarted controller never raises the weight again."""
    fence: int = 0
    """Fencing token of the one who sets the policy: a smaller one than the live policy's is refused."""

    def __post_init__(self) -> None:
        """Refuse a policy that contradicts itself."""
        if not self.primary:
            raise ConfigError("traffic policy: primary is empty", hint="name the version that answers")
        for name in ("weight", "shadow_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"traffic policy: {name} = {getattr(self, name)} is not within 0 and 1")
        if self.lease_s <= 0:
            raise ConfigError(f"traffic policy: lease_s = {self.lease_s} is not positive")
        if self.weight > 0 and not self.canary:
            raise ConfigError("traffic policy: a weight without a canary", hint="set canary, or weight to 0")
        if self.shadow_share > 0 and not self.shadow:
            raise ConfigError(
                "traffic policy: a shadow_share without a shadow", hint="set shadow, or shadow_share to 0"
            )
        if self.primary in (self.canary, self.shadow):
            raise ConfigError(f"traffic policy: version {self.primary!r} is primary and canary or shadow")

    @property
    def versions(self) -> frozenset[str]:
        """Every version that the policy may send a request to."""
        return frozenset(filter(None, (self.primary, self.canary, self.shadow)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TrafficPolicy":
        """Build a policy from JSON data.

        Raises:
            ConfigError: An unknown key, a missing primary, a wrong type or a contradiction.
        """
        names = [f.name for f in dataclasses.fields(cls)]
        for key in data:
            if key not in names:
                raise ConfigError(f"traffic policy: unknown key {key!r}", hint=nearest(key, names))
        if "primary" not in data:
            raise ConfigError("traffic policy: primary is missing", hint=f"keys: {', '.join(names)}")
        try:
            return msgspec.convert(dict(data), cls)
        except msgspec.ValidationError as error:
            raise ConfigError(f"traffic policy: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return the policy as JSON data; `from_dict` is its inverse."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)} | {"pins": dict(self.pins)}


@dataclass(frozen=True, slots=True)
class Route:
    """Where one request goes."""

    version: str
    shadow: str | None = None


@dataclass(frozen=True, slots=True)
class _Live:
    policy: TrafficPolicy
    expires: float
    salt: bytes
    plain: Route
    """The answer when neither canary nor shadow is set, made once."""


class LiveTraffic:
    """The policies in force. Routing takes no lock: it reads one reference, which `apply` replaces.

    Args:
        clock: Monotonic clock in seconds, on which the leases of canary weights run.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._live: dict[str, _Live] = {}
        self._applying = threading.Lock()

    def route(self, model: str, key: str, headers: Mapping[str, str]) -> Route:
        """Choose the version that serves a request and the one that shadows it.

        Args:
            model: Name of the model.
            key: Sticky key, such as a user; requests with an empty key are shared at random.
            headers: Request headers, with lower-case names.

        Raises:
            NotFoundError: No policy has been applied for the model.
        """
        live = self._live.get(model)
        if live is None:
            raise NotFoundError(f"model {model!r} has no traffic policy", hint=nearest(model, self._live))
        policy = live.policy
        if not policy.canary and not policy.shadow:
            return live.plain
        version = policy.primary
        if policy.weight > 0 and self._clock() < live.expires and _is_canary(live, key, headers):
            version = policy.canary
        # Which requests are mirrored need not agree between replicas, and sampling requests rather than users
        # lets every user contribute.
        if policy.shadow_share <= 0 or random.random() >= policy.shadow_share:  # noqa: S311 - no secret
            return Route(version)
        return Route(version, policy.shadow if version == policy.primary else policy.primary)

    def apply(self, model: str, policy: TrafficPolicy) -> TrafficPolicy:
        """Put a policy in force with one store; its lease starts now.

        Raises:
            ConflictError: The live policy was set with a larger fencing token.
        """
        with self._applying:
            before = self._live.get(model)
            if before is not None and policy.fence < before.policy.fence:
                raise ConflictError(
                    f"traffic of {model!r}: fencing token {policy.fence} is older than {before.policy.fence}",
                    hint="another controller or an operator has taken over; read the traffic and its history",
                )
            live = _Live(
                policy=policy,
                expires=self._clock() + policy.lease_s,
                salt=f"{model}/{policy.canary}/".encode(),
                plain=Route(policy.primary),
            )
            self._live = {**self._live, model: live}
        return policy

    def policy(self, model: str) -> TrafficPolicy:
        """Return the policy in force.

        Raises:
            NotFoundError: No policy has been applied for the model.
        """
        live = self._live.get(model)
        if live is None:
            raise NotFoundError(f"model {model!r} has no traffic policy", hint=nearest(model, self._live))
        return live.policy

    def describe(self, model: str) -> dict[str, Any]:
        """Return the policy in force as JSON data.

        Raises:
            NotFoundError: No policy has been applied for the model.
        """
        return self.policy(model).to_dict()

    def put(self, model: str, policy: Mapping[str, Any], *, loaded: Collection[str]) -> dict[str, Any]:
        """Put a policy in force that came as JSON data, and return it.

        Args:
            model: Name of the model.
            policy: What `TrafficPolicy.from_dict` takes.
            loaded: Versions that are ready to serve.

        Raises:
            ConfigError: The policy is malformed or contradicts itself.
            NotFoundError: It names a version that is not ready.
            ConflictError: Its fencing token is older than the live policy's.
        """
        wanted = TrafficPolicy.from_dict(policy)
        for version in sorted(wanted.versions - set(loaded)):
            raise NotFoundError(
                f"version {version!r} of {model!r} is not loaded", hint=nearest(version, loaded)
            )
        return self.apply(model, wanted).to_dict()

    def versions_in_use(self, model: str) -> frozenset[str]:
        """Return the versions that the policy in force may send requests to; none without a policy."""
        live = self._live.get(model)
        return live.policy.versions if live else frozenset()

    def lease_left_s(self, model: str) -> float:
        """Return for how long the canary's weight is still valid; 0 when there is none."""
        live = self._live.get(model)
        if live is None or live.policy.weight <= 0:
            return 0.0
        return max(0.0, live.expires - self._clock())


def bucket(salt: bytes, key: str) -> float:
    """Place a key in [0, 1) by a hash that every replica and every restart computes alike.

    A key whose bucket is below the weight gets the canary, so that raising the weight moves nobody back.
    """
    digest = hashlib.blake2b(salt + key.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) / (1 << _BITS)


def _is_canary(live: _Live, key: str, headers: Mapping[str, str]) -> bool:
    policy = live.policy
    arm = headers.get(policy.pin_header) if policy.pin_header else None
    if arm not in ("primary", "canary"):
        arm = policy.pins.get(key) if policy.pins else None
    if arm is not None:
        return arm == "canary"
    return (bucket(live.salt, key) if key else random.random()) < policy.weight  # noqa: S311 - no secret
