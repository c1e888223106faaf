"""Forming batches: at once when a worker is idle, together when all are busy."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from burnish.errors import BurnishError, DeadlineError, InternalError, QueueFullError
from burnish.graph.signature import Array
from burnish.logs import get_logger
from burnish.serve.instance import OnDone, Outputs, slice_rows

log = get_logger(__name__)

Key = tuple[Any, ...]
Done = Callable[["Outputs | BurnishError"], None]
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
    done: Done
    """Called exactly once."""
    deadline: float
    """On the monotonic clock; a request without an answer by then is told so, and is not started any more."""
    rows: int = 1
    key: Key = NO_BATCH
    """Only requests with equal keys share a batch."""
    mirrored: bool = False
    """Whether nobody waits for the answer; such requests run when no other waits."""
    alone: bool = False
    """Whether it must not share a batch, because a batch that it was in has failed."""
    queued: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None
    finished: bool = False

    def finish(self, result: "Outputs | BurnishError") -> None:
        """Answer, unless it has been answered already (by its deadline, or because its client has gone)."""
        if self.finished:
            return
        self.abandon()
        try:
            self.done(result)
        except (
            Exception
        ):  # one request's trouble must not keep its neighbours in the batch from their answers
            log.exception("an answer could not be handed over")

    def abandon(self) -> None:
        """Give it up without an answer: its client has gone."""
        self.finished = True
        if self.timer is not None:
            self.timer.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How large a batch and a queue may get."""

    max_batch_size: int = 32
    """Rows."""
    max_queue_delay_us: int = 0
    """How long a batch that is not full waits for more."""
    queue_size: int = 1024
    """Requests that wait for an answer."""
    mirror_queue: int = 256
    """Mirrored requests."""


class Batcher:
    """The queue of one version: those who wait for their answers first, mirrored requests behind them.

    When the engine refuses a batch, each of its requests is run again alone, so that one client's odd values
    cost nobody else an answer.

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
        self._mirrored: deque[Pending] = deque()
        self._loop = asyncio.get_running_loop()
        self._hold: asyncio.TimerHandle | None = None
        self._running = 0
        self._mixing = True

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def busy(self) -> bool:
        """Whether anything runs, or waits for an answer."""
        return bool(self._running or self._queue)

    def submit(self, pending: Pending) -> None:
        """Queue a request, and run it at once when a worker is idle.

        Raises:
            QueueFullError: The queue is full; the request is not queued.
        """
        lane, size = self._lane(pending)
        while lane and lane[0].finished:
            lane.popleft()
        if len(lane) >= size:
            raise QueueFullError(
                f"{len(lane)} requests are waiting already", hint="try again later, or add instances"
            )
        pending.timer = self._loop.call_at(
            self._loop.time() + max(0.0, pending.deadline - time.monotonic()), self._expire, pending
        )
        lane.append(pending)
        self.dispatch()

    def dispatch(self) -> None:
        """Give batches to idle workers while there are both."""
        for runner in tuple(self._runners):
            if not self._queue and not self._mirrored:
                return
            if runner.idle:
                if self._must_hold():
                    return
                batch = self._take()
                if batch:
                    self._start(runner, batch)

    def fail_all(self, error: BurnishError) -> None:
        """Answer everything that waits with an error."""
        for lane in (self._queue, self._mirrored):
            while lane:
                lane.popleft().finish(error)

    def _lane(self, pending: Pending) -> tuple[deque[Pending], int]:
        if pending.mirrored:
            return self._mirrored, self._limits.mirror_queue
        return self._queue, self._limits.queue_size

    def _expire(self, pending: Pending) -> None:
        pending.finish(
            DeadlineError("the deadline passed before the answer was there", hint="raise the timeout")
        )

    def _must_hold(self) -> bool:
        """Whether to wait for more, when the settings ask for it; a timer then dispatches."""
        if not self._limits.max_queue_delay_us:
            return False
        lane = self._queue or self._mirrored
        rows = sum(pending.rows for pending in lane)
        age_us = (time.monotonic() - lane[0].queued) * 1e6
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
        return self._take_from(self._queue) or self._take_from(self._mirrored)

    def _take_from(self, lane: deque[Pending]) -> list[Pending]:
        batch: list[Pending] = []
        rows = 0
        while lane:
            pending = lane[0]
            if pending.finished:
                lane.popleft()
                continue
            if batch and not self._fits(pending, batch[0], rows):
                break
            batch.append(lane.popleft())
            rows += pending.rows
        return batch

    def _fits(self, pending: Pending, first: Pending, rows: int) -> bool:
        alike = self._mixing and pending.key == first.key != NO_BATCH and not (pending.alone or first.alone)
        return alike and rows + pending.rows <= self._limits.max_batch_size

    def _start(self, runner: Runner, batch: list[Pending]) -> None:
        begun = time.monotonic()
        rows = sum(pending.rows for pending in batch)
        self._running += 1

        def done(result: Outputs | BurnishError) -> None:
            self._running -= 1
            self._observer.batch(rows, begun - batch[0].queued, time.monotonic() - begun)
            if len(batch) > 1 and self._must_part(runner, result, rows):
                self._run_alone(batch)
            else:
                _answer(batch, result)
            self.dispatch()

        try:
            runner.run([pending.inputs for pending in batch], done)
        except Exception as error:
            log.exception("a batch could not be handed to its worker")
            self._running -= 1
            _answer(batch, InternalError(f"unexpected {type(error).__name__}", hint="please report it"))

    def _must_part(self, runner: Runner, result: Outputs | BurnishError, rows: int) -> bool:
        """Tell whether requests that ran together have to run again, each for itself."""
        if isinstance(result, BurnishError):
            return runner.idle
        if _has_rows(result, rows):
            return False
        log.warning("results have other rows than their batch: requests run alone from now on")
        self._mixing = False
        return True

    def _run_alone(self, batch: list[Pending]) -> None:
        """Queue the requests of a batch that failed again, in front and each for itself."""
        for pending in reversed(batch):
            pending.alone = True
            self._lane(pending)[0].appendleft(pending)


def _has_rows(result: Outputs, rows: int) -> bool:
    """Tell whether every output has the batch's rows; if not, whose they are cannot be known."""
    return all(array.ndim and len(array) == rows for array in result.values())


def _answer(batch: list[Pending], result: Outputs | BurnishError) -> None:
    if isinstance(result, BurnishError):
        for pending in batch:
            pending.finish(result)
        return
    if len(batch) == 1:
        batch[0].finish({name: array.copy() for name, array in result.items()})
        return
    answers: list[tuple[Pending, Outputs]] = []
    start = 0
    for pending in batch:
        if not pending.finished:
            answers.append((pending, slice_rows(result, start, pending.rows)))
        start += pending.rows
    # whoever gets an answer may ask again at once, and the worker then writes over the memory of this batch
    for pending, outputs in answers:
        pending.finish(outputs)
