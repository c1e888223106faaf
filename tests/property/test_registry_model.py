"""Whatever is done in whatever order, the registry is what a dictionary and a list would be."""

import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from burnish.bundle import Bundle, EngineChoice, Manifest, RuntimeLock
from burnish.bundle.manifest import FileEntry
from burnish.bundle.write import write_bundle
from burnish.errors import ConflictError, NotFoundError
from burnish.files import sha256_bytes
from burnish.registry import Registry

NAMES = st.sampled_from(["a", "b"])
ALIASES = st.sampled_from(["primary", "shadow"])
CONTENTS = st.integers(0, 3)


def make(folder: Path, content: int) -> Bundle:
    files = {"graph.onnx": b"graph", "golden.npz": bytes([content // 2])}
    manifest = Manifest(
        schema=1,
        name="a",
        created="2026-01-01T00:00:00+00:00",
        files=[FileEntry(path=p, sha256=sha256_bytes(d), bytes=len(d)) for p, d in files.items()],
        graph="graph.onnx",
        graph_digest="sha256:0",
        signature={"inputs": [], "outputs": []},
        golden="golden.npz",
        engine=EngineChoice(backend="onnxruntime"),
        runtime_lock=RuntimeLock(system="", python="", cpu="", flags=[], packages={}),
        hyper_parameters={"content": content},
    )
    path = folder / f"{content}.burnish"
    write_bundle(path, manifest, lambda entry, stream: stream.write(files[entry.path]))
    return Bundle.open(path)


class RegistryMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        self.bundles = [make(root, content) for content in range(4)]
        self.registry = Registry(root / "registry")
        self.versions: dict[str, list[str]] = {"a": [], "b": []}
        self.aliases: dict[tuple[str, str], tuple[int | None, int]] = {}
        self.changes = 0

    def teardown(self):
        if hasattr(self, "folder"):
            self.registry.close()
            self.folder.cleanup()

    @rule(name=NAMES, content=CONTENTS)
    def push(self, name, content):
        digest = self.bundles[content].digest
        known = self.versions[name]
        if digest not in known:
            known.append(digest)
            self.changes += 1
        assert self.registry.push(self.bundles[content], name=name).version == known.index(digest) + 1

    @rule(name=NAMES, alias=ALIASES, version=st.integers(1, 4), expect=st.none() | st.integers(0, 4))
    def set_alias(self, name, alias, version, expect):
        before, generation = self.aliases.get((name, alias), (None, 0))
        seen = generation if before else 0
        try:
            moved = self.registry.set_alias(name, alias, version, expect=expect)
        except NotFoundError:
            assert version > len(self.versions[name])
        except ConflictError:
            assert expect not in (None, seen)
        else:
            assert version <= len(self.versions[name])
            assert expect in (None, seen)
            if before != version:
                self.aliases[name, alias] = (version, generation + 1)
                self.changes += 1
            assert (moved.version, moved.generation) == self.aliases[name, alias]

    @rule(name=NAMES, alias=ALIASES)
    def drop(self, name, alias):
        before, generation = self.aliases.get((name, alias), (None, 0))
        try:
            self.registry.drop_alias(name, alias)
        except NotFoundError:
            assert before is None
        else:
            assert before is not None
            self.aliases[name, alias] = (None, generation + 1)
            self.changes += 1

    @rule()
    def reopen(self):
        self.registry.close()
        self.registry = Registry(self.registry.root, create=not self.changes)

    @invariant()
    def everything_agrees(self):
        if not hasattr(self, "registry") or not self.changes:
            return
        assert self.registry.models() == [name for name, known in self.versions.items() if known]
        for name, known in self.versions.items():
            if known:
                assert [v.digest for v in reversed(self.registry.versions(name))] == known
            found = {a.alias: (a.version, a.generation) for a in self.registry.aliases(name)}
            assert found == {a: at for (n, a), at in self.aliases.items() if n == name and at[0]}
        assert self.registry.verify_audit() == self.changes


TestRegistryModel = RegistryMachine.TestCase
TestRegistryModel.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_manifests_survive_the_round_trip(tmp_path):
    bundle = make(tmp_path, 1)
    assert msgspec.json.decode(bundle.manifest.to_json(), type=Manifest) == bundle.manifest
