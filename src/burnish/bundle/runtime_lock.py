"""What a model was measured on, and how the machine at hand differs from it."""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from burnish.errors import ArtifactError, ConfigError, nearest
from burnish.logs import get_logger

log = get_logger(__name__)

Policy = Literal["strict", "warn", "ignore"]
POLICIES: tuple[Policy, ...] = ("strict", "warn", "ignore")

# What takes part in every run; the engine in use comes on top.
CORE_PACKAGES = ("burnish", "numpy", "onnx", "onnx-ir")


class RuntimeLock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The facts of a machine that can change a model's answers or its speed."""

    system: str
    python: str
    cpu: str
    flags: list[str]
    """Instruction sets that matter for inference."""
    packages: dict[str, str]
    """Versions of the packages that take part in a run; others are no business of the lock."""


class Difference(msgspec.Struct, frozen=True):
    """One fact that differs."""

    fact: str
    locked: str
    here: str

    def __str__(self) -> str:
        return f"{self.fact} {self.locked or 'absent'} -> {self.here or 'absent'}"


def current_lock(packages: Iterable[str] = CORE_PACKAGES) -> RuntimeLock:
    """Lock the machine that this process runs on.

    Args:
        packages: Which packages' versions count; one that is not installed is left out.
    """
    from burnish.runtime.machine import fingerprint, installed_version

    here = fingerprint()
    found = {name: version for name in packages if (version := installed_version(name))}
    return RuntimeLock(
        system=here.system, python=here.python, cpu=here.cpu, flags=list(here.flags), packages=found
    )


def compare(lock: RuntimeLock, here: RuntimeLock) -> list[Difference]:
    """Return every fact of a lock that differs on a machine.

    >>> a = RuntimeLock(system="Linux", python="3.11.2", cpu="x", flags=["avx2"], packages={"onnxruntime": "1.20"})
    >>> b = msgspec.structs.replace(a, flags=[], packages={"onnxruntime": "1.32", "torch": "2.13"})
    >>> [str(d) for d in compare(a, b)]
    ['cpu flag avx2 present -> absent', 'onnxruntime 1.20 -> 1.32']
    """
    return [Difference(fact, was, now) for fact, was, now in _facts(lock, here) if was != now]


def _facts(lock: RuntimeLock, here: RuntimeLock) -> Iterator[tuple[str, str, str]]:
    yield "system", lock.system, here.system
    yield "python", lock.python, here.python
    yield "cpu", lock.cpu, here.cpu
    for flag in sorted({*lock.flags, *here.flags}):
        yield f"cpu flag {flag}", "present" * (flag in lock.flags), "present" * (flag in here.flags)
    for name in sorted(lock.packages):
        yield name, lock.packages[name], here.packages.get(name, "")


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
    differences = compare(lock, current_lock(lock.packages))
    words = "; ".join(map(str, differences))
    if differences and policy == "strict":
        raise ArtifactError(
            f"{subject} was locked on another runtime: {words}",
            hint="install what the lock names, or use the policy 'warn'",
        )
    if differences and policy == "warn":
        log.warning("runtime differs from the lock", subject=subject, differences=words)
    return differences
