"""The tree of errors is what its docstring draws, and both tables cover all of it."""

import inspect
import re
from pathlib import Path

import pytest

from burnish import errors
from burnish.cli.exit_codes import EXIT_CODES, INTERRUPTED, OK, exit_code_of
from burnish.errors import BurnishError
from burnish.protocol.problem import STATUS, problem_body, status_of


def _classes(root=BurnishError):
    yield root
    for child in root.__subclasses__():
        yield from _classes(child)


CLASSES = [cls for cls in _classes() if cls.__module__ == "burnish.errors"]


def _make(cls):
    if cls is errors.MissingExtraError:
        return cls("torch", extra="compress", need="training")
    return cls("model 'm': broken", hint="mend it")


def _drawn():
    """Return the parent of each class in the drawing."""
    parents, path = {}, ["BurnishError"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    (?P<bars>(?:│ )*)[├└] (?P<name>\w+)", line)
        if match:
            depth = len(match["bars"]) // 2 + 1
            path[depth:] = [match["name"]]
            parents[match["name"]] = path[depth - 1]
    return parents


def test_drawing_equals_the_classes():
    real = {
        cls.__name__: next(base.__name__ for base in cls.__bases__ if issubclass(base, BurnishError))
        for cls in CLASSES
        if cls is not BurnishError
    }
    assert _drawn() == real


def test_every_error_class_lives_in_the_one_module():
    defined = {
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, BurnishError) and cls.__module__ == "burnish.errors"
    }
    assert defined == set(CLASSES)


def test_codes_are_unique_and_their_own():
    codes = [vars(cls).get("code") for cls in CLASSES]
    assert None not in codes
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not BurnishError])
def test_both_tables_cover_every_class(cls):
    for table in (STATUS, EXIT_CODES):
        assert any(base in table for base in cls.__mro__)
    error = _make(cls)
    status, grpc = status_of(error)
    assert 400 <= status < 600
    assert re.fullmatch(r"[A-Z_]+", grpc)
    assert exit_code_of(error) not in (OK, 1, INTERRUPTED)


def test_a_fault_of_the_client_is_never_a_fault_of_the_server():
    for cls in CLASSES:
        if issubclass(cls, errors.InputError):
            assert status_of(_make(cls))[0] < 500
            assert exit_code_of(_make(cls)) == 2


def test_unsupported_device_is_a_value_error():
    assert issubclass(errors.UnsupportedDeviceError, ValueError)


def test_body_has_message_code_and_hint():
    error = errors.NotFoundError("model 'm': unknown", hint="push it")
    assert problem_body(error) == {"error": "model 'm': unknown", "code": "not_found", "hint": "push it"}
    assert str(error) == "model 'm': unknown (push it)"


def test_the_documented_table_is_the_real_one():
    page = (Path(__file__).parents[2] / "docs/reference/errors.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    written = {tuple(row[:5]) for row in rows}
    errors_made = [_make(cls) for cls in CLASSES if cls is not BurnishError]
    assert written == {
        (
            f"`{type(error).__name__}`",
            f"`{error.code}`",
            str(exit_code_of(error)),
            *(str(word) for word in status_of(error)),
        )
        for error in errors_made
    }
