"""What this machine is, in facts that change how a model runs."""

import os
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import psutil

_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "amx_bf16",
    "avx512_bf16",
    "asimddp",
    "i8mm",
)
_INT8_DOT = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
_PACKAGES = ("numpy", "onnx", "onnxruntime", "openvino", "torch", "apache-tvm", "iree-base-compiler")


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor, memory, system and the versions of the engines."""

    cpu: str
    cores: int
    flags: tuple[str, ...]
    """Instruction sets that matter for inference."""
    memory_bytes: int
    system: str
    python: str
    packages: dict[str, str]
    """Versions of the installed engines."""

    @property
    def has_int8_dot(self) -> bool:
        """Whether products of 8-bit integers are summed without saturating at 16 bits.

        Without it (AVX2 alone), 8-bit weights times 8-bit activations overflow: 7-bit weights are right.
        """
        return bool(_INT8_DOT & set(self.flags))

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores ({', '.join(self.flags) or 'no vector extensions known'})"


@cache
def fingerprint() -> Machine:
    """Describe the machine that this process runs on."""
    cpu, flags = _cpu()
    return Machine(
        cpu=cpu,
        cores=len(os.sched_getaffinity(0)),
        flags=flags,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.machine()} {'-'.join(platform.libc_ver())}".strip(),
        python=platform.python_version(),
        packages={name: found for name in _PACKAGES if (found := installed_version(name))},
    )


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def engine_version(package: str) -> str | None:
    """Return the version of what brings an importable package, whose name may differ, or None.

    Cost: half a second when the names differ, to read what every installed distribution brings.
    """
    found = installed_version(package)
    if found is None:
        brought_by = packages_distributions().get(package, [])
        found = installed_version(brought_by[0]) if brought_by else None
    return found


def _cpu() -> tuple[str, tuple[str, ...]]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), ()
    facts: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        facts.setdefault(key.strip().lower(), value.strip())
    present = set(facts.get("flags", facts.get("features", "")).split())
    name = facts.get("model name") or platform.machine()
    return name, tuple(flag for flag in _FLAGS if flag in present)
