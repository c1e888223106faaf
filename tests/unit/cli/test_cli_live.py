import io

import pytest
from rich.console import Console

from burnish.cli.live import LiveTable

COLUMNS = ("step", "score")


def watched(*, terminal, height=20):
    return Console(file=io.StringIO(), force_terminal=terminal, width=60, height=height, color_system=None)


def text_of(console):
    return console.file.getvalue()


def test_without_a_terminal_each_row_is_one_line_and_stages_are_silent():
    console = watched(terminal=False)
    with LiveTable(console, COLUMNS, COLUMNS[1:]) as live:
        live.stage("train", 1, 2)
        live.row(("prune", "97.1"), "prune: 97.1% [kept]")
        live.say("note")
        live.stage("train", 2, 2)
    assert text_of(console).splitlines() == ["prune: 97.1% [kept]", "note"]


def test_on_a_terminal_the_whole_table_stands_at_the_end():
    console = watched(terminal=True, height=14)
    with LiveTable(console, COLUMNS, COLUMNS[1:]) as live:
        for number in range(40):
            live.stage("train", 1, 3)
            live.row((f"step-{number}", f"{number}"), "")
    last = text_of(console).rpartition("step-0")[2]  # what was drawn last
    assert all(f"step-{number} " in last for number in range(1, 40))


def test_a_stage_that_ended_early_makes_room_for_the_next():
    console = watched(terminal=True)
    with LiveTable(console, COLUMNS, ()) as live:
        live.stage("train", 3, 10)  # patience is at its end
        live.stage("measure", 1, 4)
        shown = console.render_str("").plain + "".join(
            segment.text for segment in console.render(live._view(), console.options)
        )
        assert "measure" in shown
        assert "1/4" in shown
        assert "train" not in shown


def test_a_run_without_rows_leaves_no_table():
    console = watched(terminal=True)
    with LiveTable(console, COLUMNS, ()) as live:
        live.stage("train", 1, 1)
    assert "step" not in text_of(console)


def test_an_error_inside_is_passed_on_and_the_rows_stay():
    console = watched(terminal=True)
    with pytest.raises(KeyError), LiveTable(console, COLUMNS, ()) as live:  # noqa: PT012 - the rows before matter
        live.row(("prune", "1"), "")
        raise KeyError
    assert "prune" in text_of(console)


def test_brackets_in_a_cell_are_no_markup():
    console = watched(terminal=True)
    with LiveTable(console, COLUMNS, ()) as live:
        live.row(("[bold]x", "-1 [-2, +0]"), "")
    assert "[bold]x" in text_of(console)
    assert "-1 [-2, +0]" in text_of(console)
