"""A file is whole or absent; a digest is the usual one."""

import hashlib
import io
import stat
import threading

import pytest

from burnish.files import atomic_writer, sha256_bytes, sha256_stream, write_atomic


def test_new_file_is_whole_and_alone(tmp_path):
    path = tmp_path / "deep" / "er" / "a.bin"
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_failure_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    write_atomic(path, b"old")

    def fail():
        with atomic_writer(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_visible_before_the_end(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_writer(path) as stream:
        stream.write(b"x")
        assert not path.exists()
    assert path.exists()


def test_readers_see_one_writer_or_the_other(tmp_path):
    path = tmp_path / "a.bin"
    contents = [bytes([n]) * 50_000 for n in range(4)]
    threads = [threading.Thread(target=write_atomic, args=(path, content)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_any_new_file(tmp_path):
    write_atomic(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"}
    assert len(modes) == 1


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_stream_digest_counts_and_copies(size):
    data, copy = bytes(size), io.BytesIO()
    digest, count = sha256_stream(io.BytesIO(data), copy_to=copy)
    assert digest == sha256_bytes(data) == hashlib.sha256(data).hexdigest()
    assert count == size
    assert copy.getvalue() == data
