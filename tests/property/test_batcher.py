"""The batcher loses, duplicates and misroutes nothing, whatever the sizes and whenever workers finish."""

import asyncio
import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import BackendError, DeadlineError, QueueFullError
from burnish.serve.batcher import NO_BATCH, Batcher, BatchLimits, Pending

MAX = 8


class Runner:
    """A worker that adds one and finishes when it is told to; each batch lies in the same memory."""

    def __init__(self):
        self.idle = True
        self.batches = []
        self._done = None
        self._memory = np.zeros((1000, 2), np.float32)

    def run(self, parts, done):
        assert self.idle
        self.idle = False
        self.batches.append([len(part["x"]) for part in parts])
        rows = np.concatenate([part["x"] for part in parts])
        self._memory[...] = -1  # nothing of an earlier batch can be relied on
        self._rows, self._done = self._memory[: len(rows)], done
        self._rows[...] = rows + 1

    def finish(self, *, fail=False, die=False):
        self.idle = not die
        self._done(BackendError("failed") if fail or die else {"y": self._rows})


class Silent:
    def batch(self, rows, waited_s, ran_s):
        assert rows >= 0
        assert waited_s >= 0
        assert ran_s >= 0


def pending(number, rows, results, *, key=("k",), deadline_s=60.0, mirrored=False):
    return Pending(
        {"x": np.full((rows, 2), number, dtype=np.float32)},
        lambda r: results.setdefault(number, []).append(r),
        time.monotonic() + deadline_s,
        rows,
        key,
        mirrored,
    )


REQUESTS = st.lists(
    st.tuples(st.integers(0, MAX + 2), st.sampled_from("ab"), st.booleans()), min_size=1, max_size=30
)


@given(REQUESTS, st.integers(1, 3), st.data())
@settings(deadline=None, max_examples=60)
def test_every_request_gets_its_own_rows_once(requests, workers, data):
    async def scenario():
        runners = [Runner() for _ in range(workers)]
        batcher = Batcher(BatchLimits(max_batch_size=MAX), runners, Silent())
        results, waiting = {}, list(enumerate(requests))
        while waiting or any(not r.idle for r in runners):
            busy = [r for r in runners if not r.idle]
            if waiting and (not busy or data.draw(st.booleans())):
                number, (rows, key, mirrored) = waiting.pop(0)
                batcher.submit(pending(number, rows, results, key=(key,), mirrored=mirrored))
            else:
                data.draw(st.sampled_from(busy)).finish()
        assert len(batcher) == 0
        assert sorted(results) == list(range(len(requests)))
        for number, (rows, _, _) in enumerate(requests):
            (outputs,) = results[number]
            np.testing.assert_array_equal(outputs["y"], np.full((rows, 2), number + 1))
        for runner in runners:
            assert all(sum(batch) <= MAX or len(batch) == 1 for batch in runner.batches)

    asyncio.run(scenario())


def test_requests_of_another_shape_or_without_a_batch_axis_never_share():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=MAX), [runner], Silent())
        results = {}
        for number, key in enumerate([("a",), ("a",), ("b",), NO_BATCH, NO_BATCH]):
            batcher.submit(pending(number, 1, results, key=key))
        while not runner.idle:
            runner.finish()
        assert runner.batches == [[1], [1], [1], [1], [1]]
        assert len(results) == 5

    asyncio.run(scenario())


def test_what_waits_while_a_worker_runs_goes_together():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=MAX), [runner], Silent())
        results = {}
        for number in range(10):
            batcher.submit(pending(number, 1, results))
        assert runner.batches == [[1]]
        runner.finish()
        assert runner.batches == [[1], [1] * MAX]

    asyncio.run(scenario())


def test_a_full_queue_refuses_and_keeps_what_it_has():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=1, queue_size=2), [runner], Silent())
        results, refused = {}, 0
        for number in range(5):
            try:
                batcher.submit(pending(number, 1, results))
            except QueueFullError:
                refused += 1
        assert refused == 2
        while not runner.idle:
            runner.finish()
        assert sorted(results) == [0, 1, 2]

    asyncio.run(scenario())


def test_a_request_past_its_deadline_is_answered_and_never_run():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=1), [runner], Silent())
        results = {}
        batcher.submit(pending(0, 1, results))
        batcher.submit(pending(1, 1, results, deadline_s=0.02))
        await asyncio.sleep(0.05)
        assert isinstance(results[1][0], DeadlineError)
        runner.finish()
        assert runner.batches == [[1]]
        assert len(results[0]) == 1

    asyncio.run(scenario())


def test_a_failing_batch_fails_its_own_requests_alone():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=1), [runner], Silent())
        results = {}
        for number in range(2):
            batcher.submit(pending(number, 1, results))
        runner.finish(fail=True)
        runner.finish()
        assert isinstance(results[0][0], BackendError)
        assert "y" in results[1][0]

    asyncio.run(scenario())


def test_a_batch_that_fails_is_run_again_one_by_one_and_only_the_culprit_is_told():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=MAX), [runner], Silent())
        results = {}
        for number in range(4):
            batcher.submit(pending(number, 1, results))
        runner.finish()
        runner.finish(fail=True)
        assert runner.batches == [[1], [1, 1, 1], [1]]
        batcher.submit(pending(4, 1, results))
        runner.finish()
        runner.finish(fail=True)
        while not runner.idle:
            runner.finish()
        assert {n: isinstance(r, BackendError) for n, (r,) in results.items()} == {
            0: False, 1: False, 2: True, 3: False, 4: False,
        }  # fmt: skip

    asyncio.run(scenario())


def test_results_whose_rows_are_not_the_batchs_are_never_shared_out():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=MAX), [runner], Silent())
        results = {}
        for number in range(3):
            batcher.submit(pending(number, 2, results))
        runner.finish()
        runner._rows = runner._rows[1:]  # a model that drops rows, though it declares otherwise
        while not runner.idle:
            runner.finish()
        assert runner.batches == [[2], [2, 2], [2], [2]]
        for number in range(3):
            (answer,) = results[number]
            np.testing.assert_array_equal(answer["y"], np.full((2, 2), number + 1))
        for number in range(3, 6):  # and from then on nothing goes together
            batcher.submit(pending(number, 2, results))
        while not runner.idle:
            runner.finish()
        assert runner.batches[4:] == [[2], [2], [2]]

    asyncio.run(scenario())


def test_a_batch_whose_worker_died_is_told_and_not_run_again():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=MAX), [runner], Silent())
        results = {}
        for number in range(4):
            batcher.submit(pending(number, 1, results))
        runner.finish()
        runner.finish(die=True)
        assert all(isinstance(results[n][0], BackendError) for n in (1, 2, 3))
        assert not batcher.busy

    asyncio.run(scenario())


def test_mirrored_requests_run_when_nobody_waits_and_have_their_own_limit():
    async def scenario():
        runner = Runner()
        limits = BatchLimits(max_batch_size=MAX, queue_size=9, mirror_queue=2)
        batcher = Batcher(limits, [runner], Silent())
        results, refused = {}, []
        batcher.submit(pending(0, 1, results))
        for number in (1, 2, 3):
            try:
                batcher.submit(pending(number, 1, results, mirrored=True))
            except QueueFullError:
                refused.append(number)
        batcher.submit(pending(4, 2, results))
        runner.finish()
        assert runner.batches == [[1], [2]]
        runner.finish()
        assert runner.batches == [[1], [2], [1, 1]]
        assert refused == [3]

    asyncio.run(scenario())


@given(st.lists(st.integers(0, MAX), min_size=2, max_size=12), st.data())
@settings(deadline=None, max_examples=60)
def test_whoever_asks_again_while_being_answered_changes_no_other_answer(sizes, data):
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=MAX), [runner], Silent())
        results = {}

        def asking(number, rows):
            first = pending(number, rows, results)
            keep = first.done

            def done(result):
                keep(result)
                batcher.submit(pending(number + 1000, rows, results))

            first.done = done
            return first

        for number, rows in enumerate(sizes):
            again = data.draw(st.booleans())
            batcher.submit(asking(number, rows) if again else pending(number, rows, results))
        while not runner.idle:
            runner.finish()
        assert set(range(len(sizes))) <= set(results)
        for number, answers in results.items():
            (outputs,) = answers
            np.testing.assert_array_equal(outputs["y"], np.full((sizes[number % 1000], 2), number + 1))

    asyncio.run(scenario())


def test_trouble_with_one_answer_keeps_no_other_from_its_own():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=MAX), [runner], Silent())
        results = {}
        batcher.submit(pending(0, 1, results))
        for number in (1, 2):
            batcher.submit(pending(number, 1, results))
        batcher._queue[0].done = lambda _: 1 / 0
        runner.finish()
        runner.finish()
        assert sorted(results) == [0, 2]

    asyncio.run(scenario())


def test_who_has_gone_is_neither_run_nor_answered():
    async def scenario():
        runner = Runner()
        batcher = Batcher(BatchLimits(max_batch_size=MAX), [runner], Silent())
        results = {}
        gone = pending(1, 1, results)
        batcher.submit(pending(0, 1, results))
        batcher.submit(gone)
        gone.abandon()
        runner.finish()
        assert runner.batches == [[1]]
        assert sorted(results) == [0]

    asyncio.run(scenario())


def test_a_hold_waits_for_more_and_then_sends_what_there_is():
    async def scenario():
        runner = Runner()
        limits = BatchLimits(max_batch_size=4, max_queue_delay_us=30_000)
        batcher = Batcher(limits, [runner], Silent())
        results = {}
        batcher.submit(pending(0, 1, results))
        batcher.submit(pending(1, 1, results))
        assert runner.batches == []
        await asyncio.sleep(0.06)
        assert runner.batches == [[1, 1]]
        runner.finish()
        for number in range(2, 6):
            batcher.submit(pending(number, 1, results))
        assert runner.batches == [[1, 1], [1] * 4]

    asyncio.run(scenario())
