"""The public text data as it really is, where it lies beside the project."""

from pathlib import Path

import numpy as np
import pytest

from burnish.compress.tasks.sst2 import Sst2Source
from burnish.compress.tasks.stsb import StsbSource

DATA = Path(__file__).parents[4] / "shared" / "data" / "text"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")


def test_sst2_is_whole():
    source = Sst2Source(DATA / "sst2")
    parts = {name: source.rows(name) for name in ("train", "valid", "test")}
    assert {name: len(part.texts) for name, part in parts.items()} == {
        "train": 67_349, "valid": 872, "test": 1_821,
    }  # fmt: skip
    assert all(set(np.unique(part.labels)) == {0, 1} for part in parts.values())
    assert all(text.strip() for part in parts.values() for text in part.texts)
    assert not set(parts["valid"].texts) & set(parts["test"].texts)


def test_stsb_is_whole():
    source = StsbSource(DATA / "stsb")
    parts = {name: source.rows(name) for name in ("train", "valid", "test")}
    assert [len(part.texts) for part in parts.values()] == [5_749, 1_500, 1_379]
    assert all(part.labels.min() == 0 and part.labels.max() == 1 for part in parts.values())
    assert all(len(part.texts) == len(part.seconds) for part in parts.values())
