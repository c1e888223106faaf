"""What a model was measured on, and how the machine at hand differs from it."""

from typing import Literal

import msgspec

from burnish.errors import ArtifactError, ConfigError, nearest
from burnish.logs import get_logger
from burnish.runtime.machine import fingerprint, installed_version

log = get_logger(__name__)

Policy = Literal["strict", "warn", "ignore"]
POLICIES: tuple[Policy, ...] = ("strict", "warn", "ignore")

_PACKAGES = ("burnish", "numpy", "onnx", "onnxruntime", "openvino")


class RuntimeLock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The facts of a machine that can change a model's answers or its speed."""

    system: str
    python: str
    cpu: str
    flags: list[str]
    packages: dict[str, str]


class Difference(msgspec.Struct, frozen=True):
    """One fact that differs."""

    fact: str
    locked: str
    here: str

    def __str__(self) -> str:
        return f"{self.fact} {self.locked or 'absent'} -> {self.here or 'absent'}"


def current_lock() -> RuntimeLock:
    """Lock the machine that this process runs on."""
    here = fingerprint()
    found = {name: version for name in _PACKAGES if (version := installed_version(name))}
    return RuntimeLock(
        system=here.system, python=here.python, cpu=here.cpu, flags=list(here.flags), packages=found
    )


def compare(lock: RuntimeLock, here: RuntimeLock) -> list[Difference]:
    """Return every fact that differs between a lock and a machine.

    >>> a = RuntimeLock(system="Linux", python="3.11.2", cpu="x", flags=["avx2"], packages={"onnxruntime": "1.20"})
    >>> b = msgspec.structs.replace(a, packages={"onnxruntime": "1.32"})
    >>> [str(d) for d in compare(a, b)]
    ['onnxruntime 1.20 -> 1.32']
    """
    plain = [
        ("system", lock.system, here.system),
        ("python", lock.python, here.python),
        ("cpu", lock.cpu, here.cpu),
        ("cpu flags", " ".join(sorted(lock.flags)), " ".join(sorted(here.flags))),
        *(
            (name, lock.packages.get(name, ""), here.packages.get(name, ""))
            for name in sorted({*lock.packages, *here.packages})
        ),
    ]
    return [Difference(fact, was, now) for fact, was, now in plain if was != now]


def enforce(lock: RuntimeLock, policy: str, *, subject: str) -> list[Difference]:
    """Compare a lock with this machine and act on it.

    Args:
        lock: What the bundle was measured on.
        policy: ``strict`` refuses any difference, ``warn`` logs them, ``ignore`` is silent.
        subject: What to call the bundle.

    Returns:
        The differences.

    Raises:
        ConfigError: The policy is another word.
        ArtifactError: There are differences and the policy is strict.
    """
    if policy not in POLICIES:
        raise ConfigError(f"unknown runtime-lock policy {policy!r}", hint=nearest(policy, POLICIES))
    differences = compare(lock, current_lock())
    words = "; ".join(map(str, differences))
    if differences and policy == "strict":
        raise ArtifactError(
            f"{subject} was locked on another runtime: {words}",
            hint="install what the lock names, or use the policy 'warn'",
        )
    if differences and policy == "warn":
        log.warning("runtime differs from the lock", subject=subject, differences=words)
    return differences
