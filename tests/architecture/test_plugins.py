"""Every entry point that burnish ships can be imported and is what its group promises."""

from importlib.metadata import entry_points

import pytest

from burnish.evaluate.task import Task
from burnish.runtime.backend import Backend

GROUPS = ("burnish.backends", "burnish.tasks", "burnish.executors")
ENTRIES = [entry for group in GROUPS for entry in entry_points(group=group)]


def test_every_group_has_entries():
    assert {entry.group for entry in ENTRIES} == set(GROUPS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{entry.group}:{entry.name}")
def test_entry_point_loads(entry):
    part = entry.load()
    if entry.group == "burnish.backends":
        assert isinstance(part, Backend)
        assert part.spec.name == entry.name
    elif entry.group == "burnish.tasks":
        assert isinstance(part, Task)
        assert part.name == entry.name
    else:
        assert callable(part)
