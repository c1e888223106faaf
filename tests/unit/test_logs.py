"""Logs go to standard error, in one of two forms, and never from a library that is merely imported."""

import json
import logging
import subprocess
import sys

import pytest

from burnish import logs
from burnish.errors import ConfigError

_PROGRAM = """
import sys
from burnish import logs
if sys.argv[1:]:
    logs.configure(level=sys.argv[1], format=sys.argv[2])
log = logs.get_logger("burnish.somewhere")
log.debug("too fine")
log.info("loaded", model="digits", rows=3)
try:
    1 / 0
except ZeroDivisionError:
    log.warning("failed", exc_info=True)
"""


def _run(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr


def test_json_is_one_document_a_line():
    info, warning = (json.loads(line) for line in _run("info", "json").splitlines())
    assert (info["event"], info["model"], info["rows"], info["level"]) == ("loaded", "digits", 3, "info")
    assert info["logger"] == "burnish.somewhere"
    assert info["timestamp"].endswith("Z")
    assert "ZeroDivisionError" in warning["exception"]


def test_text_has_the_facts():
    text = _run("info", "text")
    assert "loaded" in text
    assert "model=digits" in text
    assert "too fine" not in text


def test_level_holds():
    assert "loaded" not in _run("warning", "text")
    assert "too fine" in _run("debug", "text")


def test_an_application_that_configures_nothing_hears_no_information():
    assert "loaded" not in _run()


@pytest.mark.parametrize(
    ("settings", "hint"),
    [({"level": "inf"}, "did you mean 'info'?"), ({"format": "jsn"}, "did you mean 'json'?")],
)
def test_unknown_word_is_a_config_error(settings, hint):
    before = list(logging.getLogger("burnish").handlers)
    with pytest.raises(ConfigError) as caught:
        logs.configure(**settings)
    assert caught.value.hint == hint
    assert logging.getLogger("burnish").handlers == before
