"""Real writer processes for test_registry_processes.py: run as ``python registry_writers.py ROOT BUNDLE MODE ...``.

It imports only the registry and forks, so that a writer starts in milliseconds and can be killed at any point.
"""

import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

import msgspec

from burnish.bundle import Bundle
from burnish.bundle.manifest import FileEntry
from burnish.bundle.write import write_bundle
from burnish.errors import ConflictError, NotFoundError
from burnish.registry import Registry


def variant(base: Bundle, folder: Path) -> Bundle:
    """Make a bundle like ``base`` with a file and a digest of its own."""
    extra = os.urandom(random.randrange(1, 200_000))
    entry = FileEntry(path="extra.bin", sha256=hashlib.sha256(extra).hexdigest(), bytes=len(extra))
    manifest = msgspec.structs.replace(
        base.manifest, files=[*base.manifest.files, entry], hyper_parameters={"id": uuid.uuid4().hex}
    )

    def copy(wanted, stream):
        stream.write(extra if wanted is entry else base.read(wanted.path))

    path = folder / uuid.uuid4().hex
    write_bundle(path, manifest, copy)
    return Bundle.open(path)


def push_many(root: str, base: Bundle, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Registry(root, busy_timeout_s=60) as registry:
        for _ in range(count):
            version = registry.push(variant(base, Path(folder)))
            registry.set_alias(base.manifest.name, "newest", version.version)


def count_up(root: str, name: str, moves: int) -> None:
    """Move an alias a number of times by compare-and-swap, trying again when somebody else was faster."""
    with Registry(root, busy_timeout_s=60) as registry:
        done = 0
        while done < moves:
            alias = registry.alias(name, "counter")
            seen, target = (alias.generation, 3 - alias.version) if alias else (0, 1)
            try:
                registry.set_alias(name, "counter", target, expect=seen)
            except ConflictError:
                continue
            done += 1


def fork(work, *arguments) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(*arguments)
            code = 0
        finally:
            os._exit(code)
    return child


def check(root: str, name: str) -> dict:
    """Return what is in the registry; anything broken is an error."""
    with Registry(root) as registry:
        audited = registry.verify_audit()
        try:
            versions = registry.versions(name)
        except NotFoundError:
            versions = []
        for version in versions:
            registry.verify(version.reference, lock_policy="ignore")
        numbers = [version.version for version in versions]
        assert numbers == list(range(len(numbers), 0, -1)), f"a gap in {numbers}"
        for alias in registry.aliases(name):
            assert alias.version in numbers
        return {"versions": len(versions), "audited": audited}


def kill_rounds(root: str, base: Bundle, rounds: int, seed: int) -> list[dict]:
    chance = random.Random(seed)
    seen = []
    for _ in range(rounds):
        writers = [fork(push_many, root, base, 1000) for _ in range(2)]
        time.sleep(chance.uniform(0.005, 0.2))
        for writer in writers:
            os.kill(writer, signal.SIGKILL)
        for writer in writers:
            assert os.waitpid(writer, 0)[1] == signal.SIGKILL, "a writer ended by itself"
        seen.append(check(root, base.manifest.name))
    return seen


def together(work, *arguments) -> None:
    children = [fork(work, *arguments) for _ in range(2)]
    codes = [os.waitpid(child, 0)[1] for child in children]
    assert codes == [0, 0], codes


def main() -> None:
    root, path, mode, *numbers = sys.argv[1:]
    base = Bundle.open(path)
    if mode == "kill":
        result = kill_rounds(root, base, *map(int, numbers))
    elif mode == "push":
        together(push_many, root, base, int(numbers[0]))
        result = check(root, base.manifest.name)
    elif mode == "source":
        together(lambda: Registry(root).source(base.manifest.name, 1))
        result = check(root, base.manifest.name)
    else:
        together(count_up, root, base.manifest.name, int(numbers[0]))
        result = check(root, base.manifest.name)
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
