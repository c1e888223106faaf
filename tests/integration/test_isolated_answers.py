"""A question that crashes or hangs its process costs that question alone."""

import os
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def ask_all(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from isolated import ask_all

    yield ask_all
    sys.modules.pop("isolated", None)


def answer(question):
    if question == "crash":
        os.abort()
    if question == "hang":
        time.sleep(60)
    return question * 2


@pytest.mark.parametrize("workers", [1, 3])
def test_every_question_is_answered_in_order(ask_all, workers):
    questions = [1, "crash", 2, "hang", 3, 4, "crash"]
    told = []
    answers = ask_all(
        answer,
        questions,
        workers=workers,
        timeout_s=1.0,
        on_failure=lambda failure: type(failure).__name__,
        on_answer=told.append,
    )
    assert answers == [2, "CrashError", 4, "HangError", 6, 8, "CrashError"]
    assert told == list(range(1, 8))


def test_no_questions(ask_all):
    assert ask_all(answer, [], workers=2, timeout_s=1.0, on_failure=str, on_answer=print) == []
