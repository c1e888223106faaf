"""Aliases move by compare-and-swap, remember where they came from, and every move is logged."""

import sqlite3

import pytest

from burnish.errors import ArtifactError, ConflictError, InputError, NotFoundError


def tamper(registry, *statements):
    """Change the database behind the registry's back, with the guards taken away."""
    raw = sqlite3.connect(registry.root / "registry.db")
    with raw:
        for table in ("versions", "audit"):
            for operation in ("update", "delete"):
                raw.execute(f"DROP TRIGGER IF EXISTS {table}_no_{operation}")
        raw.execute("PRAGMA foreign_keys=OFF")
        for statement in statements:
            raw.execute(statement)
    raw.close()


def test_an_alias_moves_and_remembers(filled):
    first = filled.set_alias("m", "primary", 1)
    second = filled.set_alias("m", "primary", 3)
    assert (first.version, first.previous, first.generation) == (1, None, 1)
    assert (second.version, second.previous, second.generation) == (3, 1, 2)
    assert filled.alias("m", "primary") == second
    assert filled.set_alias("m", "shadow", "primary").version == 3
    assert [alias.alias for alias in filled.aliases("m")] == ["primary", "shadow"]


def test_pointing_where_it_points_changes_nothing(filled):
    filled.set_alias("m", "primary", 1)
    moved = filled.set_alias("m", "primary", 2)
    log = filled.audit()
    assert filled.set_alias("m", "primary", 2) == moved
    assert filled.audit() == log


def test_only_one_of_two_wins(filled):
    seen = filled.set_alias("m", "primary", 1).generation
    filled.set_alias("m", "primary", 2, expect=seen)
    with pytest.raises(ConflictError, match="generation 2, not 1"):
        filled.set_alias("m", "primary", 3, expect=seen)
    with pytest.raises(ConflictError, match="generation 2, not 0"):
        filled.set_alias("m", "primary", 3, expect=0)
    with pytest.raises(ConflictError, match="generation 2, not 1"):
        filled.set_alias("m", "primary", 2, expect=seen)
    assert filled.get("m@primary").version == 2


def test_zero_means_that_there_was_none(filled):
    assert filled.set_alias("m", "primary", 1, expect=0).generation == 1
    with pytest.raises(ConflictError):
        filled.set_alias("m", "shadow", 1, expect=1)


def test_a_dropped_alias_is_gone_but_its_generations_go_on(filled):
    filled.set_alias("m", "primary", 1)
    filled.set_alias("m", "primary", 2)
    with pytest.raises(ConflictError):
        filled.drop_alias("m", "primary", expect=1)
    filled.drop_alias("m", "primary", expect=2)
    assert filled.alias("m", "primary") is None
    assert filled.aliases("m") == []
    with pytest.raises(NotFoundError):
        filled.get("m@primary")
    with pytest.raises(NotFoundError):
        filled.drop_alias("m", "primary")
    again = filled.set_alias("m", "primary", 3, expect=0)
    assert (again.generation, again.previous) == (4, 2)
    assert filled.verify_audit() == len(filled.audit())


@pytest.mark.parametrize("alias", ["", "Primary", "7", "a b", "-x", "a@b", "x" * 129])
def test_an_odd_alias_is_refused(filled, alias):
    with pytest.raises(InputError):
        filled.set_alias("m", alias, 1)
    assert filled.aliases("m") == []


def test_an_alias_needs_a_version(filled):
    for version in (0, 4, "nothing"):
        with pytest.raises(NotFoundError):
            filled.set_alias("m", "primary", version)
    with pytest.raises(NotFoundError):
        filled.set_alias("n", "primary", 1)
    assert len(filled.audit()) == 3


def test_the_log_tells_who_did_what(filled):
    filled.set_alias("m", "primary", 1, actor="ann")
    filled.set_alias("m", "primary", 2, actor="bob")
    log = filled.audit("m")
    assert [(entry.actor, entry.action) for entry in log] == [
        ("tester", "push"),
        ("tester", "push"),
        ("tester", "push"),
        ("ann", "alias"),
        ("bob", "alias"),
    ]
    assert log[-1].facts == {"alias": "primary", "from": 1, "to": 2, "generation": 2}
    assert [entry.seq for entry in filled.audit(limit=2)] == [4, 5]
    assert filled.audit("other") == []
    assert filled.verify_audit() == 5


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit SET actor = 'mallory' WHERE seq = 2", "broken at entry 2"),
        ("UPDATE audit SET facts = '{}' WHERE seq = 4", "broken at entry 4"),
        ("DELETE FROM audit WHERE seq = 1", "broken at entry 1"),
        ("DELETE FROM audit WHERE seq = 3", "broken at entry 3"),
        ("DELETE FROM audit WHERE seq = 4", "does not account for alias"),
        ("DELETE FROM audit", "does not account for version"),
        ("UPDATE aliases SET version = 3", "does not account for alias"),
        ("DELETE FROM versions WHERE version = 2", "does not account for version"),
    ],
)
def test_a_change_behind_the_logs_back_is_found(filled, statement, says):
    filled.set_alias("m", "primary", 1)
    tamper(filled, statement)
    with pytest.raises(ArtifactError, match=says):
        filled.verify_audit()
