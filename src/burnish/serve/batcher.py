"""Forming batches: at once when a worker is idle, together when all are busy."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from burnish.errors import BurnishError, DeadlineError, QueueFullError
from burnish.graph.signature import Array
from burnish.serve.instance import OnDone, Outputs, slice_rows

Key = tuple[Any, ...]
NO_BATCH: Key = ()
"""The key of requests to a graph without a batch axis: each runs alone."""


class Runner(Protocol):
    """Something that runs one batch at a time; `burnish.serve.instance.Instance` is one."""

    @property
    def idle(self) -> bool:
        """Whether it can take a batch."""
        ...

    def run(self, parts: list[Mapping[str, Array]], done: OnDone) -> None:
        """Run one batch and call ``done`` once."""
        ...


class Observer(Protocol):
    """Is told what batches came to; `burnish.serve.metrics.VersionMetrics` is one."""

    def batch(self, rows: int, waited_s: float, ran_s: float) -> None:
        """Note one batch: its rows, how long its oldest request waited, how long it ran."""
        ...


@dataclass(slots=True, eq=False)
class Pending:
    """One request that waits or runs."""

    inputs: Mapping[str, Array]
    done: Callable[["Outputs | BurnishError"], None]
    """Called exactly once."""
    deadline: float
    """On the monotonic clock; a request that has not started by then is dropped, one that runs is answered."""
    rows: int = 1
    key: Key = NO_BATCH
    """Only requests with equal keys share a batch."""
    queued: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None
    finished: bool = False

    def finish(self, result: "Outputs | BurnishError") -> None:
        """Answer, unless it has been answered already (by its deadline, or because its client has gone)."""
        if self.finished:
            return
        self.finished = True
        if self.timer is not None:
            self.timer.cancel()
        self.done(result)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How large a batch and a queue may get."""

    max_batch_size: int = 32
    """Rows."""
    max_queue_delay_us: int = 0
    """How long a batch that is not full waits for more."""
    queue_size: int = 1024
    """Requests."""


class Batcher:
    """The queue of one version.

    Args:
        limits: Sizes and delay.
        runners: The version's workers; the list is read anew at each dispatch, so it may change.
        observer: Told of each batch.
    """

    def __init__(self, limits: BatchLimits, runners: list[Any], observer: Observer) -> None:
        self._limits = limits
        self._runners: list[Runner] = runners
        self._observer = observer
        self._queue: deque[Pending] = deque()
        self._loop = asyncio.get_running_loop()
        self._hold: asyncio.TimerHandle | None = None
        self.running = 0

    def __len__(self) -> int:
        return len(self._queue)

    def submit(self, pending: Pending) -> None:
        """Queue a request, and run it at once when a worker is idle.

        Raises:
            QueueFullError: The queue is full; the request is not queued.
        """
        if len(self._queue) >= self._limits.queue_size:
            raise QueueFullError(
                f"{len(self._queue)} requests are waiting already", hint="try again later, or add instances"
            )
        pending.timer = self._loop.call_at(
            self._loop.time() + max(0.0, pending.deadline - time.monotonic()), self._expire, pending
        )
        self._queue.append(pending)
        self.dispatch()

    def dispatch(self) -> None:
        """Give batches to idle workers while there are both."""
        for runner in self._runners:
            if not self._queue:
                return
            if runner.idle:
                if self._must_hold():
                    return
                batch = self._take()
                if batch:
                    self._start(runner, batch)

    def fail_all(self, error: BurnishError) -> None:
        """Answer everything that waits with an error."""
        while self._queue:
            self._queue.popleft().finish(error)

    def _expire(self, pending: Pending) -> None:
        pending.finish(
            DeadlineError("the deadline passed before the answer was there", hint="raise the timeout")
        )

    def _must_hold(self) -> bool:
        """Whether to wait for more, when the settings ask for it; a timer then dispatches."""
        if not self._limits.max_queue_delay_us:
            return False
        rows = sum(pending.rows for pending in self._queue)
        age_us = (time.monotonic() - self._queue[0].queued) * 1e6
        if rows >= self._limits.max_batch_size or age_us >= self._limits.max_queue_delay_us:
            return False
        if self._hold is None:
            wait_s = (self._limits.max_queue_delay_us - age_us) / 1e6
            self._hold = self._loop.call_later(wait_s, self._end_hold)
        return True

    def _end_hold(self) -> None:
        self._hold = None
        self.dispatch()

    def _take(self) -> list[Pending]:
        """Take the oldest request and those behind it that fit into its batch; finished ones are let go."""
        batch: list[Pending] = []
        rows = 0
        while self._queue:
            pending = self._queue[0]
            if pending.finished:
                self._queue.popleft()
                continue
            if batch and not self._fits(pending, batch[0], rows):
                break
            batch.append(self._queue.popleft())
            rows += pending.rows
        return batch

    def _fits(self, pending: Pending, first: Pending, rows: int) -> bool:
        alike = pending.key == first.key != NO_BATCH
        return alike and rows + pending.rows <= self._limits.max_batch_size

    def _start(self, runner: Runner, batch: list[Pending]) -> None:
        begun = time.monotonic()
        rows = sum(pending.rows for pending in batch)
        self.running += 1

        def done(result: Outputs | BurnishError) -> None:
            self.running -= 1
            self._observer.batch(rows, begun - batch[0].queued, time.monotonic() - begun)
            _answer(batch, result)
            self.dispatch()

        runner.run([pending.inputs for pending in batch], done)


def _answer(batch: list[Pending], result: Outputs | BurnishError) -> None:
    if isinstance(result, BurnishError):
        for pending in batch:
            pending.finish(result)
        return
    if batch[0].key == NO_BATCH:
        batch[0].finish({name: array.copy() for name, array in result.items()})
        return
    start = 0
    for pending in batch:
        if not pending.finished:
            pending.finish(slice_rows(result, start, pending.rows))
        start += pending.rows
