"""What the operating system tells of the processor: cores, caches, instruction sets, and how much of it is ours."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ISA = re.compile(r"(avx|amx|fma|f16c|sse4|asimd|sve|i8mm|bf16|fphp)\w*|sme\d*")
"""Flags that decide how fast numbers are multiplied, on x86 and on Arm."""
_VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel"}
_NO_LIMIT = 1 << 60  # the first version of control groups writes the largest page number that there is


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache of data of the first core."""

    level: int
    bytes: int
    shared_by: int
    """Logical processors that share it."""


@dataclass(frozen=True, slots=True)
class Host:
    """The processor as this process may use it; None and empty where the system does not tell."""

    cpu: str
    vendor: str
    cores: int
    """Logical processors that this process may run on."""
    quota: float | None
    """Processors' worth of time that the control groups allow; None where they set no limit."""
    memory_limit: int | None
    """Bytes that the control groups allow; None where they set no limit."""
    threads_per_core: int | None
    numa_nodes: int | None
    isa: tuple[str, ...]
    caches: tuple[Cache, ...]
    governor: str | None
    """What chooses the clock's frequency."""
    hypervisor: bool
    """Whether it is a virtual machine."""


def read_host(root: Path = Path("/")) -> Host:
    """Read what the system tells.

    Args:
        root: Where ``proc`` and ``sys`` lie.
    """
    facts = _cpuinfo(root / "proc/cpuinfo")
    flags = set(facts.get("flags", facts.get("features", "")).split())
    cpu0 = root / "sys/devices/system/cpu/cpu0"
    siblings = _line(cpu0 / "topology/thread_siblings_list")
    nodes = _line(root / "sys/devices/system/node/online")
    return Host(
        cpu=facts.get("model name", ""),
        vendor=_VENDORS.get(facts.get("vendor_id", ""), facts.get("vendor_id", "")),
        cores=len(os.sched_getaffinity(0)),
        quota=min((limit for group in _groups(root, "cpu") for limit in _quotas(group)), default=None),
        memory_limit=min(
            (limit for group in _groups(root, "memory") for limit in _memory(group)), default=None
        ),
        threads_per_core=len(members(siblings)) if siblings else None,
        numa_nodes=len(members(nodes)) if nodes else None,
        isa=tuple(sorted(flag for flag in flags if _ISA.fullmatch(flag))),
        caches=tuple(_caches(cpu0 / "cache")),
        governor=_line(cpu0 / "cpufreq/scaling_governor"),
        hypervisor="hypervisor" in flags,
    )


def members(listed: str) -> list[int]:
    """Return the numbers of a list as the kernel writes it.

    >>> members("0-2,8")
    [0, 1, 2, 8]
    """
    found: list[int] = []
    for part in listed.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def _cpuinfo(path: Path) -> dict[str, str]:
    facts: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return facts
    for line in lines:
        key, _, value = line.partition(":")
        facts.setdefault(key.strip().lower(), value.strip())  # the first processor's
    return facts


def _caches(folder: Path) -> Iterator[Cache]:
    for index in sorted(folder.glob("index*")):
        level, kind, size = (_line(index / name) for name in ("level", "type", "size"))
        number = re.fullmatch(r"(\d+)([KM]?)", size or "")
        if level is None or number is None or kind == "Instruction":
            continue
        unit = {"": 1, "K": 1 << 10, "M": 1 << 20}[number[2]]
        yield Cache(int(level), int(number[1]) * unit, len(members(_line(index / "shared_cpu_list") or "0")))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control group and the groups around it."""
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        base = root / "sys/fs/cgroup"
        if number != "0":  # the first version has a tree for each set of controllers
            if controller not in controllers.split(","):
                continue
            base = base / controllers
        inside = Path(path.lstrip("/"))
        # A container may see its own group as the root, under the path that it has outside.
        yield from {base, *(base / part for part in (inside, *inside.parents))}


def _quotas(group: Path) -> Iterator[float]:
    quota, period = ((_line(group / "cpu.max") or "") + " ").split(" ")[:2]
    if not quota:
        quota, period = _line(group / "cpu.cfs_quota_us") or "", _line(group / "cpu.cfs_period_us") or ""
    if quota.isdecimal() and period.isdecimal():  # else "max", or -1: no limit
        yield int(quota) / int(period)


def _memory(group: Path) -> Iterator[int]:
    limit = _line(group / "memory.max") or _line(group / "memory.limit_in_bytes") or ""
    if limit.isdecimal() and int(limit) < _NO_LIMIT:
        yield int(limit)


def _line(path: Path) -> str | None:
    text = _text(path)
    return text.strip() or None if text is not None else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
