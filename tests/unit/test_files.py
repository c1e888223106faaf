"""A file is whole or absent; a digest is the usual one."""

import errno
import hashlib
import io
import stat
import threading

import pytest

from burnish.errors import InputError
from burnish.files import atomic_writer, check_writable, sha256_bytes, sha256_stream, write_atomic


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


@pytest.mark.parametrize("write", [check_writable, lambda path: write_atomic(path, b"x")])
def test_a_path_that_cannot_be_written_is_named_with_the_reason(tmp_path, write):
    (tmp_path / "file").write_bytes(b"old")
    for path, reason in (
        (tmp_path / "file" / "a", "cannot be written"),
        (tmp_path / "file" / "deep" / "a", "cannot be written"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(InputError, match=reason) as refused:
            write(path)
        assert str(path) in str(refused.value)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("burnish.files.os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(InputError, match=r"a: cannot be written: nothing can be written in"):
        check_writable(tmp_path / "a")


@pytest.mark.parametrize("step", ["fsync", "open"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch, step):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(f"burnish.files.os.{step}", full)
    with pytest.raises(InputError, match=r"a\.bin.*no space left"):
        write_atomic(tmp_path / "a.bin", b"x")
    assert not list(tmp_path.iterdir())


def test_checking_makes_nothing(tmp_path):
    check_writable(tmp_path / "deep" / "er" / "a.bin")
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_block_is_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_writer(tmp_path / "a") as stream:
        stream.write((tmp_path / "absent").read_bytes())


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
