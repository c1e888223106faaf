"""A step is done once; an interrupted one goes on; other settings do it again."""

import pytest

from burnish.errors import ArtifactError
from burnish.resume import Run


class Interrupted(Exception):
    pass


class Work:
    """A step that counts its runs and may stop in the middle."""

    def __init__(self, *, stop=False):
        self.runs = 0
        self.stop = stop
        self.found = []

    def __call__(self, folder):
        self.runs += 1
        self.found = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        (folder / f"made-{self.runs}").write_text("data")
        if self.stop:
            raise Interrupted
        return {"runs": self.runs}


def test_a_step_is_done_once(tmp_path):
    work = Work()
    first = Run(tmp_path, {"a": 1})
    assert not first.is_done("one")
    assert first.step("one", work) == {"runs": 1}
    again = Run(tmp_path, {"a": 1})
    assert again.is_done("one")
    assert again.step("one", work) == {"runs": 1}
    assert work.runs == 1
    assert (again.folder("one") / "made-1").exists()
    assert not (tmp_path / "one.partial").exists()


def test_an_interrupted_step_keeps_what_it_had(tmp_path):
    work = Work(stop=True)
    with pytest.raises(Interrupted):
        Run(tmp_path, {}).step("one", work)
    assert not (tmp_path / "one").exists()
    assert (tmp_path / "one.partial" / "made-1").exists()
    work.stop = False
    assert Run(tmp_path, {}).step("one", work) == {"runs": 2}
    assert work.found == ["made-1"]
    assert {"made-1", "made-2"} <= {path.name for path in (tmp_path / "one").iterdir()}


def test_what_other_settings_left_half_done_is_cleared(tmp_path):
    work = Work(stop=True)
    with pytest.raises(Interrupted):
        Run(tmp_path, {"a": 1}).step("one", work)
    work.stop = False
    Run(tmp_path, {"a": 2}).step("one", work)
    assert work.found == []


def test_changed_settings_redo_every_step(tmp_path):
    works = Work(), Work()
    for settings in ({"a": 1}, {"a": 2}):
        run = Run(tmp_path, settings)
        for name, work in zip(("one", "two"), works, strict=True):
            run.step(name, work)
    assert [work.runs for work in works] == [2, 2]
    assert not (tmp_path / "one" / "made-1").exists()


def test_a_changed_step_redoes_those_that_follow(tmp_path):
    late = Work()
    run = Run(tmp_path, {})
    run.step("one", Work())
    run.step("late", late)
    run = Run(tmp_path, {})
    run.step("other", Work())
    run.step("late", late)
    assert late.runs == 2


def test_the_order_of_settings_does_not_matter(tmp_path):
    work = Work()
    Run(tmp_path, {"a": 1, "b": 2}).step("one", work)
    Run(tmp_path, {"b": 2, "a": 1}).step("one", work)
    assert work.runs == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"facts": {}}', "\x00"])
def test_a_damaged_record_is_an_artifact_error(tmp_path, damage):
    Run(tmp_path, {}).step("one", Work())
    record = tmp_path / "one" / "result.json"
    record.write_text(damage)
    with pytest.raises(ArtifactError, match=r"result\.json") as caught:
        Run(tmp_path, {}).step("one", Work())
    assert str(tmp_path / "one") in caught.value.hint
