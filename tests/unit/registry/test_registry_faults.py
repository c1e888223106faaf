"""A store that cannot be written, is locked, damaged or of another time: one clear error, nothing lost."""

import io
import os
import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest

from burnish.errors import ArtifactError, CapacityError, InputError
from burnish.registry import Registry
from burnish.registry.store import BlobStore

DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of b"hello"


def test_a_locked_database_stops_writers_after_a_while_and_no_reader(filled):
    other = sqlite3.connect(filled.root / "registry.db")
    other.execute("BEGIN IMMEDIATE")
    with Registry(filled.root, busy_timeout_s=0.2) as impatient:
        assert impatient.get("m@3").version == 3
        began = time.monotonic()
        with pytest.raises(CapacityError, match="locked"):
            impatient.set_alias("m", "primary", 1)
        assert time.monotonic() - began < 3
        other.rollback()
        assert impatient.set_alias("m", "primary", 1).generation == 1
    other.close()
    assert filled.verify_audit() == 4


def test_a_reader_sees_the_last_state_while_a_writer_works(filled):
    with filled.engine.begin() as writer:
        writer.exec_driver_sql("INSERT INTO aliases VALUES ('m', 'primary', 1, NULL, 1)")
        assert filled.aliases("m") == []


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "registry.db").write_bytes(
        b"no database, but long enough to look like a file of some kind" * 20
    )
    with pytest.raises(ArtifactError, match="not a registry's database"):
        Registry(tmp_path).models()


def test_a_database_of_a_newer_burnish(filled):
    raw = sqlite3.connect(filled.root / "registry.db")
    raw.execute("PRAGMA user_version=99")
    raw.close()
    with Registry(filled.root) as again, pytest.raises(ArtifactError, match="schema 99") as caught:
        again.models()
    assert caught.value.hint == "upgrade burnish"


def test_a_root_that_is_a_file(tmp_path, bundles):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        Registry(tmp_path / "file").push(bundles[0])


def open_way(path):
    """Let other users pass through the folders above, which pytest makes private."""
    for folder in path.parents:
        if folder.stat().st_uid == os.geteuid() and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o055)


def test_a_read_only_store(filled):
    filled.close()
    open_way(filled.root)
    for path in (filled.root, *filled.root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    code = """
        import os, sys, tempfile
        from burnish.errors import InputError
        from burnish.registry import Registry
        with tempfile.TemporaryDirectory() as elsewhere:
            Registry(elsewhere).models()  # imports what it needs, which nobody may not read
        if os.geteuid() == 0:  # root is not stopped by permissions
            os.seteuid(65534)
        for change in (lambda r: r.set_alias("m", "primary", 1), lambda r: r.drop_alias("m", "x")):
            try:
                change(Registry(sys.argv[1]))
            except InputError as error:
                print(error)
        """
    command = [sys.executable, "-c", textwrap.dedent(code), str(filled.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for path in (filled.root, *filled.root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be used") == 2
    assert filled.aliases("m") == []
    assert filled.verify_audit() == 3


def test_a_full_disk_leaves_no_version(registry, bundles, tmp_path):
    """A limit on the size of files stands in for the full disk: the same short write, at the same place."""
    registry.models()
    limit = max(entry.bytes for entry in bundles[0].manifest.files) - 10
    code = """
        import resource, sys
        from burnish.bundle import Bundle
        from burnish.errors import InputError
        from burnish.registry import Registry
        from burnish.registry.store import BlobStore
        registry, bundle = Registry(sys.argv[1]), Bundle.open(sys.argv[2])
        registry.models()
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
        try:
            registry.push(bundle)
        except InputError as error:
            print("refused:", error)
        """
    command = [sys.executable, "-c", textwrap.dedent(code), registry.root, bundles[0].path, limit]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert "refused:" in done.stdout, done.stderr
    assert not list(registry.root.rglob("*.tmp"))
    assert registry.models() == []
    assert registry.push(bundles[0]).version == 1
    assert registry.verify("m@1").files == 2


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    url = str(tmp_path / "blobs") if request.param == "local" else f"memory://{tmp_path.name}"
    return BlobStore(url)


def kept(store):
    return [path.rpartition("/")[2] for path in store._files.find(f"{store._root}/sha256")]


def test_a_blob_comes_back(store):
    assert store.put(io.BytesIO(b"hello"), DIGEST)
    assert not store.put(io.BytesIO(b"hello"), DIGEST)
    target = io.BytesIO()
    store.copy(DIGEST, target)
    assert target.getvalue() == b"hello"
    assert kept(store) == [DIGEST]


def test_a_blob_with_other_bytes_is_not_kept(store):
    with pytest.raises(ArtifactError, match="sha256"):
        store.put(io.BytesIO(b"hellO"), DIGEST)
    assert kept(store) == []
    with pytest.raises(ArtifactError, match="missing"):
        store.copy(DIGEST, None)


def test_an_interrupted_blob_leaves_nothing(store):
    class Interrupted(io.BytesIO):
        def read(self, size=-1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put(Interrupted(), DIGEST)
    assert kept(store) == []


def test_a_damaged_blob_goes_to_quarantine(store):
    store.put(io.BytesIO(b"hello"), DIGEST)
    with store._files.open(store._path(DIGEST), "wb") as stream:
        stream.write(b"jello")
    with pytest.raises(ArtifactError, match="damaged"):
        store.copy(DIGEST, None)
    assert kept(store) == []
    assert len(store._files.ls(f"{store._root}/quarantine")) == 1
