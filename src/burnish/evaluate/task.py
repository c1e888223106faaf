"""What to learn and how to judge it: the user's model, data, loss and score behind one Protocol."""

import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np

from burnish import plugins
from burnish.errors import BurnishError, InputError, NotFoundError, nearest
from burnish.files import sha256_bytes
from burnish.graph.signature import Array

if TYPE_CHECKING:
    import torch

SplitName = Literal["train", "valid", "test"]
GROUP = "burnish.tasks"
_MEMBERS = ("name", "output_names", "build_model", "split", "loss", "scores")

_sources: dict[int, tuple[Any, str]] = {}
"""Tasks from files with the digest of the file, by identity: a task may have slots, and no room for a note."""


@dataclass(frozen=True, slots=True)
class Split:
    """Examples with labels: arrays whose first axis counts the examples."""

    inputs: Mapping[str, Array]
    labels: Array

    def __post_init__(self) -> None:
        # a list is taken for the array that it describes; arrays stay what they are
        inputs = {name: _as_array(array, f"input {name!r}") for name, array in self.inputs.items()}
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "labels", _as_array(self.labels, "labels"))
        for name, array in self.inputs.items():
            if len(array) != len(self.labels):
                raise InputError(
                    f"input {name!r} has {len(array)} examples but there are {len(self.labels)} labels"
                )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Array) -> "Split":
        """Return the examples at the given positions, in that order."""
        return Split({name: array[indices] for name, array in self.inputs.items()}, self.labels[indices])

    def sample(self, count: int) -> "Split":
        """Return the first examples, as many as are asked for: again from the front where there are fewer."""
        return self.take(np.arange(count) % len(self))

    def drawn(self, most: int) -> "Split":
        """Return examples drawn at random, the same at every call: data may lie in the order of its classes.

        They keep their order, so that all of them are the split as it is.

        Args:
            most: Examples, at most.
        """
        return self.take(np.sort(self.mixed()[:most]))

    def mixed(self) -> Array:
        """Return the positions of all examples in a random order, the same at every call."""
        order: Array = np.random.default_rng(0).permutation(len(self))
        return order

    @property
    def digest(self) -> str:
        """Digest of every example and label, ``sha256:`` and 64 hexadecimal digits."""
        total = hashlib.sha256()
        for name, array in (*sorted(self.inputs.items()), ("labels", self.labels)):
            total.update(f"{name} {array.dtype} {array.shape}".encode())
            total.update(np.ascontiguousarray(array).tobytes())
        return f"sha256:{total.hexdigest()}"

    def batches(self, size: int) -> Iterator["Split"]:
        """Yield all examples in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def check(self, what: str) -> None:
        """Raise an `InputError` when there is no example, or a number in one is not finite.

        Args:
            what: What the examples are for, for the error's text.
        """
        if len(self) == 0:
            raise InputError(f"{what}: there is no example", hint="at least one is needed")
        for name, array in (*self.inputs.items(), ("labels", self.labels)):
            if array.dtype.kind in "OUS":
                raise InputError(
                    f"{what}: {name!r} holds {array.dtype}, not numbers", hint="number the classes"
                )
            found = not_finite({name: array})
            if found:
                raise InputError(
                    f"{what}: {found}",
                    hint="clean the data: one NaN would spoil every mean and range",
                )


def not_finite(arrays: Mapping[str, Array]) -> str:
    """Tell the first array that holds a NaN or an infinity, and where; empty where none does.

    >>> not_finite({"y": np.array([[0.0, 1.0], [np.nan, 1.0]])})
    "'y' is not finite in 1 of 2 examples, first in example 1"
    """
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not array.size:
            continue
        bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if bad.any():
            return (
                f"{name!r} is not finite in {int(bad.sum())} of {len(array)} examples, "
                f"first in example {int(bad.argmax())}"
            )
    return ""


@runtime_checkable
class Task(Protocol):
    """A model with its data.

    ``train`` is learnt from, ``valid`` chooses and gates, ``test`` is looked at once, for the report. What a task may
    offer beside these members is in `burnish.evaluate.hooks`.
    """

    name: str
    output_names: tuple[str, ...]

    def build_model(self) -> "torch.nn.Module":
        """Return the untrained network; its forward takes the inputs in the order of a split's mapping."""
        ...

    def split(self, name: SplitName) -> Split:
        """Return one of the three disjoint parts of the data; the same at every call."""
        ...

    def loss(self, outputs: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        """Return the scalar to minimise in training."""
        ...

    def scores(self, outputs: Mapping[str, Array], labels: Array) -> Array:
        """Return one score in [0, 1] for each example; 1 and 0 for right and wrong."""
        ...


def load_task(reference: str) -> Task:
    """Load a task by name, or from a Python file of the user's.

    Args:
        reference: A name of the entry-point group ``burnish.tasks``, such as ``digits``; or with settings, such as
            ``image-folder:PATH``; or ``path/to/task.py``, whose object ``TASK`` is taken; or
            ``path/to/task.py:NAME``.

    Raises:
        NotFoundError: No such task, file or object.
        InputError: The file cannot be imported, the object is not a `Task`, or takes no settings.
        ConfigError: The settings are not the task's.
    """
    name, _, setting = reference.partition(":")
    if name.endswith(".py"):
        task = _from_file(Path(name), setting or "TASK")
    elif name in plugins.entries(GROUP):
        task = _configured(plugins.load(GROUP, name), name, setting)
    else:
        known = nearest(name, plugins.entries(GROUP))
        raise NotFoundError(f"unknown task {name!r}", hint=f"{known}; or give a path to a task.py")
    missing = [name for name in _MEMBERS if not hasattr(task, name)]
    if missing:
        raise InputError(f"{reference} is not a task: it lacks {', '.join(missing)}")
    if isinstance(task, type):
        raise InputError(
            f"{reference} is the class of a task, not a task", hint=f"write TASK = {task.__name__}()"
        )
    checked: Task = task
    return checked


def check_task(task: Task) -> None:
    """Look at a task's data before time is spent on it.

    Raises:
        InputError: A split cannot be made, is empty, is not finite or has other inputs than the train split.
    """
    names: list[str] | None = None
    for split_name in get_args(SplitName):
        what = f"task {task.name!r}, split {split_name!r}"
        try:
            split = task.split(split_name)
        except BurnishError:
            raise
        except Exception as error:  # whatever the user's code may raise
            raise InputError(f"{what}: cannot be made: {type(error).__name__}: {error}") from error
        if not isinstance(split, Split):
            raise InputError(f"{what}: is a {type(split).__name__}", hint="return burnish.evaluate.Split")
        split.check(what)
        names = names or list(split.inputs)
        if list(split.inputs) != names:
            raise InputError(f"{what}: has the inputs {list(split.inputs)} but the train split has {names}")


def score(task: Task, outputs: Mapping[str, Array], labels: Array) -> Array:
    """Return the task's scores for outputs, after checking that they are what the protocol promises.

    Raises:
        InputError: An output is not finite, the task cannot score the outputs, or its scores are not one number in
            [0, 1] an example.
    """
    found = not_finite(outputs)
    if found:  # the largest of NaNs is the first class, which is right now and then
        raise InputError(
            f"task {task.name!r}: the output {found}",
            hint="the network overflows, or divides by zero, on this example",
        )
    try:
        scores = np.asarray(task.scores(outputs, labels), np.float64)
    except Exception as error:  # whatever the user's code may raise
        raise InputError(
            f"task {task.name!r}: scores fails: {type(error).__name__}: {error}",
            hint=f"it gets the outputs {sorted(outputs)} and {len(labels)} labels",
        ) from error
    if scores.shape != (len(labels),):
        raise InputError(f"task {task.name!r}: scores has shape {scores.shape} for {len(labels)} examples")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise InputError(f"task {task.name!r}: scores must be finite numbers in [0, 1]")
    return scores


def source_digest(task: Task) -> str:
    """Return the digest of the file that a task was loaded from; empty for one that was not loaded from a file.

    What is made with a task depends on its code too: its loss, its scores, how it varies examples.
    """
    known = _sources.get(id(task))
    return known[1] if known is not None else ""


def _as_array(given: Any, what: str) -> Array:
    try:
        array: Array = np.asarray(given)
    except ValueError as error:
        verb = "are" if what == "labels" else "is"
        raise InputError(
            f"{what} {verb} no array: {error}", hint="give one number, or one row, an example"
        ) from error
    if array.ndim == 0:
        verb = "have" if what == "labels" else "has"
        raise InputError(
            f"{what} {verb} no axis of examples", hint="give an array whose first axis counts them"
        )
    return array


def _configured(task: Any, name: str, setting: str) -> Any:
    """Hand a task what stands behind its name; a task says by ``configured(setting) -> Task`` that it takes it."""
    if not setting:
        return task
    if not hasattr(task, "configured"):
        raise InputError(f"task {name!r} takes no settings, got {setting!r}", hint=f"write {name}")
    return task.configured(setting)


def _from_file(path: Path, attribute: str) -> Any:
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file", hint="give the path of a task.py")
    name = f"burnish_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    digest = sha256_bytes(path.read_bytes())
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{path}: fails when imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise NotFoundError(f"{path}: has no object {attribute!r}", hint=nearest(attribute, vars(module)))
    task = getattr(module, attribute)
    _sources[id(task)] = task, digest
    return task
