import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from burnish.errors import InputError, NotFoundError
from burnish.evaluate.task import Split, Task, check_task, load_task, score

GOOD = """
import numpy as np
from burnish.evaluate import Split
class T:
    name = "t"
    output_names = ("y",)
    def build_model(self): raise NotImplementedError
    def split(self, name): return Split({"x": np.ones((4, 2), np.float32)}, np.arange(4))
    def loss(self, outputs, labels): return outputs.sum()
    def scores(self, outputs, labels): return np.ones(len(labels))
TASK = T()
OTHER = T()
OTHER.name = "other"
"""


def split(n=4, *, x=None):
    return Split({"x": np.ones((n, 2), np.float32) if x is None else x}, np.arange(n))


class Changed:
    """A sound task of which a test replaces one part."""

    name = "changed"
    output_names = ("y",)

    def __init__(self, **parts):
        self.parts = parts

    def build_model(self):
        raise NotImplementedError

    def split(self, name):
        return self.parts.get(name, split)()

    def loss(self, outputs, labels):
        raise NotImplementedError

    def scores(self, outputs, labels):
        return self.parts["scores"](outputs, labels)


@given(n=st.integers(0, 20), size=st.integers(1, 25))
def test_batches_hold_every_example_once_and_in_order(n, size):
    whole = Split({"x": np.arange(2 * n).reshape(n, 2)}, np.arange(n))
    parts = list(whole.batches(size))
    assert [len(part) <= size for part in parts] == [True] * len(parts)
    assert [int(label) for part in parts for label in part.labels] == list(range(n))
    assert all((part.inputs["x"][:, 0] == 2 * part.labels).all() for part in parts)


def test_a_split_whose_labels_do_not_match_its_inputs_is_refused():
    with pytest.raises(InputError, match="'x' has 4 examples but there are 3 labels"):
        Split({"x": np.ones((4, 2))}, np.arange(3))


def test_the_digest_follows_the_content():
    changed = np.ones((4, 2), np.float32)
    changed[3, 1] = 2
    assert split().digest == split().digest
    assert len({split().digest, split(3).digest, split(x=changed).digest}) == 3


def test_a_value_that_is_not_finite_is_found_and_placed():
    x = np.ones((5, 2), np.float32)
    x[2, 1], x[4, 0] = np.nan, np.inf
    with pytest.raises(
        InputError, match="calibration: 'x' is not finite in 2 of 5 examples, first in example 2"
    ):
        split(5, x=x).check("calibration")


def test_integers_are_always_finite():
    split(x=np.ones((4, 2), np.int64)).check("tokens")


def test_the_shipped_task_is_found_by_name():
    task = load_task("digits")
    assert isinstance(task, Task)
    parts = [task.split(name) for name in ("train", "valid", "test")]
    assert sum(map(len, parts)) == 1797
    rows = np.concatenate([part.inputs["image"].reshape(-1, 64) for part in parts]) * 16
    assert sorted(map(tuple, rows)) == sorted(map(tuple, load_digits().data))  # each image in one part
    assert all(set(part.labels.tolist()) == set(range(10)) for part in parts)


def test_a_task_is_read_from_a_file(tmp_path):
    (tmp_path / "task.py").write_text(GOOD)
    assert load_task(f"{tmp_path}/task.py").name == "t"
    assert load_task(f"{tmp_path}/task.py:OTHER").name == "other"
    check_task(load_task(f"{tmp_path}/task.py"))


def test_an_unknown_name_brings_the_nearest_one():
    with pytest.raises(NotFoundError, match=r"unknown task 'digit'.*did you mean 'digits'\?.*task\.py"):
        load_task("digit")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(NotFoundError, match=r"nowhere\.py: no such file"):
        load_task(f"{tmp_path}/nowhere.py")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def (", "SyntaxError"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_file_that_fails_when_imported_says_how(tmp_path, source, expected):
    (tmp_path / "task.py").write_text(source)
    with pytest.raises(InputError, match=rf"task\.py: fails when imported: .*{expected}"):
        load_task(f"{tmp_path}/task.py")


@pytest.mark.parametrize(
    ("source", "error", "expected"),
    [
        ("TASKS = 1", NotFoundError, "has no object 'TASK'.*did you mean 'TASKS'"),
        ("TASK = 1", InputError, "is not a task: it lacks name, output_names, build_model"),
        (GOOD.replace("TASK = T()", "TASK = T"), InputError, r"is the class of a task.*write TASK = T\(\)"),
    ],
)
def test_an_object_that_is_no_task_says_what_it_lacks(tmp_path, source, error, expected):
    (tmp_path / "task.py").write_text(source)
    with pytest.raises(error, match=expected):
        load_task(f"{tmp_path}/task.py")


def nan_split():
    return split(x=np.full((4, 2), np.nan, np.float32))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"valid": lambda: split(0)}, "split 'valid': there is no example"),
        ({"train": nan_split}, "split 'train': 'x' is not finite in 4 of 4"),
        ({"test": lambda: 1 / 0}, "split 'test': cannot be made: ZeroDivisionError"),
        ({"test": lambda: {}}, "split 'test': is a dict.*return burnish.evaluate.Split"),
        ({"test": lambda: Split({"z": np.ones(1)}, np.ones(1))}, r"has the inputs \['z'\] but .* \['x'\]"),
    ],
)
def test_bad_data_is_found_before_it_is_used(parts, expected):
    with pytest.raises(InputError, match=expected):
        check_task(Changed(**parts))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (lambda o, y: o["nope"], "scores fails: KeyError: 'nope'.*it gets the outputs"),
        (lambda o, y: np.ones(3), r"scores has shape \(3,\) for 4 examples"),
        (lambda o, y: np.array([0, 1, 2, 0.5]), r"finite numbers in \[0, 1\]"),
        (lambda o, y: np.array([0, 1, np.nan, 0.5]), r"finite numbers in \[0, 1\]"),
    ],
)
def test_scores_that_break_the_protocol_are_refused(scores, expected):
    with pytest.raises(InputError, match=expected):
        score(Changed(scores=scores), {"y": np.ones(4)}, np.arange(4))


def test_scores_may_be_booleans():
    got = score(Changed(scores=lambda o, y: y > 1), {}, np.arange(4))
    assert got.tolist() == [0.0, 0.0, 1.0, 1.0]
