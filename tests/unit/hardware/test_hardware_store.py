"""Measurements are kept by machine, and a broken file only means measuring again."""

from dataclasses import dataclass

import pytest

from burnish.hardware.store import ProbeStore, cache_folder


@dataclass(frozen=True)
class Reading:
    value: float


@pytest.fixture
def store(tmp_path):
    return ProbeStore("this machine", tmp_path)


def test_what_was_saved_is_loaded(store):
    assert store.load("peak", Reading) is None
    store.save("peak", Reading(3.5))
    assert store.load("peak", Reading) == Reading(3.5)
    assert store.load("memory", Reading) is None


def test_another_machine_has_its_own(store, tmp_path):
    store.save("peak", Reading(3.5))
    other = ProbeStore("another machine", tmp_path)
    assert other.load("peak", Reading) is None
    other.save("peak", Reading(1.0))
    assert store.load("peak", Reading) == Reading(3.5)


@pytest.mark.parametrize("content", [b"", b"{", b'{"value": "much"}', b"\xff\xfe"])
def test_a_file_that_cannot_be_read_counts_as_none(store, content):
    store.save("peak", Reading(3.5)).write_bytes(content)
    assert store.load("peak", Reading) is None


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "burnish"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-2:] == (".cache", "burnish")
