"""Questions asked in processes of their own, so that one that crashes or hangs ends its process alone."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

_FORK = multiprocessing.get_context("fork")  # what the parent has loaded need not be loaded again

Answer = Callable[[Any], Any]


class CrashError(Exception):
    """The process ended while it answered."""


class HangError(Exception):
    """The answer did not come in time."""


def ask_all(
    answer: Answer,
    questions: Sequence[Any],
    *,
    workers: int,
    timeout_s: float,
    on_failure: Callable[[Exception], Any],
    on_answer: Callable[[int], None],
) -> list[Any]:
    """Return the answer to every question, in order. A process that ends is started again.

    Args:
        answer: Called in the processes. The parent must not have started threads.
        questions: Arguments of ``answer``.
        workers: Processes.
        timeout_s: Seconds that one answer may take.
        on_failure: Makes the answer to a question that ended its process (`CrashError`) or took too long
            (`HangError`).
        on_answer: Told how many questions are answered.
    """
    answers: dict[int, Any] = {}
    left = iter(range(len(questions)))
    busy = [
        w for w in (_Worker(answer, questions) for _ in range(workers)) if w.ask(next(left, None), timeout_s)
    ]
    try:
        while busy:
            wait(
                [w.connection for w in busy],
                timeout=max(0.0, min(w.deadline for w in busy) - time.monotonic()),
            )
            for worker in list(busy):
                found, failure = worker.poll()
                if failure is None and found is None:
                    continue
                answers[worker.index] = on_failure(failure) if failure is not None else found
                on_answer(len(answers))
                if failure is not None:
                    worker.restart()
                if not worker.ask(next(left, None), timeout_s):
                    worker.end()
                    busy.remove(worker)
    finally:
        for worker in busy:
            worker.end()
    return [answers[index] for index in range(len(questions))]


class _Worker:
    def __init__(self, answer: Answer, questions: Sequence[Any]) -> None:
        self.index = 0
        self.deadline = 0.0
        self._work = (answer, questions)
        self._start()

    def ask(self, index: int | None, timeout_s: float) -> bool:
        """Put a question; False when there is none left."""
        if index is None:
            return False
        self.index, self.deadline = index, time.monotonic() + timeout_s
        self.connection.send(index)
        return True

    def poll(self) -> tuple[Any, Exception | None]:
        """Return the answer, or why there will be none, or twice None."""
        if self.connection.poll():
            try:
                return self.connection.recv(), None
            except (EOFError, OSError):
                self._process.join()
                return None, CrashError(f"the process ended with {self._process.exitcode}")
        if time.monotonic() > self.deadline:
            return None, HangError("no answer in time")
        return None, None

    def restart(self) -> None:
        self.end()
        self._start()

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _start(self) -> None:
        self.connection, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=_serve, args=(theirs, *self._work), daemon=True)
        self._process.start()
        theirs.close()


def _serve(connection: Connection, answer: Answer, questions: Sequence[Any]) -> None:
    while True:
        connection.send(answer(questions[connection.recv()]))
