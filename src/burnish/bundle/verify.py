"""Everything that can be proven about a bundle on this machine."""

from dataclasses import dataclass
from pathlib import Path

from burnish.bundle.bundle import Bundle
from burnish.bundle.golden import check_golden
from burnish.bundle.runtime_lock import Difference, enforce
from burnish.runtime.backend import SessionOptions
from burnish.runtime.session import open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was proven about a bundle."""

    digest: str
    files: int
    bytes: int
    differences: tuple[Difference, ...]
    """How this machine differs from the runtime lock."""
    golden_error: float | None
    """Largest error against the golden outputs; None when they were not replayed."""


def verify_bundle(path: str | Path, *, lock_policy: str = "warn", replay: bool = True) -> Verification:
    """Check every byte, the runtime lock, and that the model still gives its golden outputs.

    Args:
        path: A folder or a ``.burnish`` file.
        lock_policy: What a difference from the runtime lock means: strict, warn or ignore.
        replay: Whether the golden inputs are run on the bundle's engine.

    Raises:
        NotFoundError: There is nothing at the path.
        ArtifactError: A byte is wrong, or the runtime differs and the policy is strict.
        ParityError: The engine here gives other outputs.
    """
    bundle = Bundle.open(path)
    manifest = bundle.manifest
    differences = enforce(manifest.runtime_lock, lock_policy, subject=str(path))
    return Verification(
        digest=bundle.digest,
        files=len(manifest.files),
        bytes=sum(entry.bytes for entry in manifest.files),
        differences=tuple(differences),
        golden_error=_replay(bundle) if replay else None,
    )


def _replay(bundle: Bundle) -> float:
    engine = bundle.manifest.engine
    inputs, expected = bundle.golden()
    options = SessionOptions(threads=engine.threads)
    with open_session(
        bundle.graph(), device=engine.device, backend=engine.backend, options=options
    ) as session:
        return check_golden(expected, session.run(inputs))
