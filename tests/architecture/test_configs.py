"""Every configuration field has a default and says in a line what it is."""

import ast
from pathlib import Path

import pytest

import burnish

SOURCE = Path(burnish.__file__).parent
SUFFIXES = ("Config", "Plan", "Scheme", "Limits", "Options")
RESULTS = ("MemoryPlan",)  # computed by burnish, not set by anybody


def _is_dataclass(node):
    words = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(word.startswith("dataclass") for word in words)


CONFIGS = [
    pytest.param(node, id=f"{path.relative_to(SOURCE)}:{node.name}")
    for path in sorted(SOURCE.rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef)
    and node.name.endswith(SUFFIXES)
    and node.name not in RESULTS
    and _is_dataclass(node)
]


def test_there_are_configurations():
    assert len(CONFIGS) >= 10


@pytest.mark.parametrize("config", CONFIGS)
def test_configuration_is_frozen_and_by_keyword(config):
    decorators = " ".join(ast.unparse(decorator) for decorator in config.decorator_list)
    for option in ("frozen=True", "slots=True", "kw_only=True"):
        assert option in decorators


@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_has_a_default_and_a_docstring(config):
    faults = []
    for position, statement in enumerate(config.body):
        if not isinstance(statement, ast.AnnAssign) or "ClassVar" in ast.unparse(statement.annotation):
            continue
        name = ast.unparse(statement.target)
        if statement.value is None:
            faults.append(f"{name} has no default")
        below = config.body[position + 1] if position + 1 < len(config.body) else None
        documented = (
            isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
            and below.value.value.strip()
        )
        if not documented:
            faults.append(f"{name} has no docstring below it")
    assert faults == []
