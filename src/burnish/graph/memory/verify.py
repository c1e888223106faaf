"""Proof that a plan holds: the program is replayed on a memory that remembers what lies where.

This shares no code with the planner. The arena is a list of intervals, each with the value that was last
written there; every read must find its value whole.
"""

from burnish.errors import InternalError
from burnish.graph.memory.plan import Buffer, MemoryPlan
from burnish.graph.memory.program import Program, Step


def verify_plan(plan: MemoryPlan, program: Program) -> None:
    """Replay a plan.

    Args:
        plan: The plan.
        program: What it was made from, its steps in the planned order.

    Raises:
        InternalError: A value is overwritten before its last reader, or leaves the arena, or is misaligned;
            the text names the values and the step.
    """
    memory = _Memory(plan)
    for index, step in enumerate(program.steps):
        for name in step.reads:
            memory.check(name, index, step.name)
        for name in step.writes:
            if name in plan.by_name:
                _write(memory, name, step)


def _write(memory: "_Memory", name: str, step: Step) -> None:
    buffers = memory.plan.by_name
    view = step.views.get(name)
    if (
        view is not None
        and view.of in buffers
        and buffers[name].offset == buffers[view.of].offset + view.offset
    ):
        memory.rename(name, view.of, view.offset)  # the bytes are there already
        return
    for other in step.reads:
        if other not in buffers or not _overlap(buffers[other], buffers[name]):
            continue
        joined = step.joins.get(other)
        if joined is not None and buffers[other].offset == buffers[name].offset + joined.offset:
            memory.becomes(other, name, joined.offset)
        elif not _same_place(buffers[other], buffers[name]) or not any(
            _same_place(buffers[candidate], buffers[name])
            for candidate in step.in_place
            if candidate in buffers
        ):
            raise InternalError(f"plan: {step.name} writes {name!r} over its own input {other!r}")
    memory.write(name)


def _same_place(a: Buffer, b: Buffer) -> bool:
    return (a.offset, a.size_bytes) == (b.offset, b.size_bytes)


def _overlap(a: Buffer, b: Buffer) -> bool:
    return a.offset < b.offset + b.size_bytes and b.offset < a.offset + a.size_bytes


class _Memory:
    """What lies where: each interval holds bytes of one written value, from a given byte of it on."""

    def __init__(self, plan: MemoryPlan) -> None:
        self.plan = plan
        # start, end, value written there, which byte of it lies at the start
        self._intervals: list[tuple[int, int, str, int]] = []
        self._content: dict[str, tuple[str, int]] = {}  # value -> the content it is, and from which byte

    def write(self, name: str) -> None:
        buffer = self.plan.by_name[name]
        start, end = buffer.offset, buffer.offset + buffer.size_bytes
        if start < 0 or end > self.plan.arena_bytes:
            raise InternalError(f"plan: {name!r} lies outside of the arena")
        if buffer.name == buffer.root and start % self.plan.alignment:
            raise InternalError(f"plan: {name!r} starts at {start}, no multiple of {self.plan.alignment}")
        kept = []
        for a, b, content, byte in self._intervals:
            if a < min(b, start):
                kept.append((a, min(b, start), content, byte))
            if max(a, end) < b:
                kept.append((max(a, end), b, content, byte + max(a, end) - a))
        self._intervals = [*kept, (start, end, name, 0)]
        self._content[name] = (name, 0)

    def rename(self, name: str, source: str, offset: int) -> None:
        content, byte = self._content[source]
        self._content[name] = (content, byte + offset)

    def becomes(self, part: str, whole: str, offset: int) -> None:
        """Note that a value, and all that lies inside it, is from now on a part of the value about to be written."""
        content = self._content[part][0]
        for name, (held, byte) in self._content.items():
            if held == content:
                self._content[name] = (whole, offset + byte)

    def check(self, name: str, index: int, step: str) -> None:
        buffer = self.plan.by_name.get(name)
        if buffer is None:
            return
        if name not in self._content:
            raise InternalError(f"plan: {step} reads {name!r} before it is written")
        content, byte = self._content[name]
        start, end = buffer.offset, buffer.offset + buffer.size_bytes
        found = sum(
            min(b, end) - max(a, start)
            for a, b, held, at in self._intervals
            if a < end and start < b and held == content and at - a == byte - start
        )
        if found != buffer.size_bytes:
            raise InternalError(f"plan: {name!r} is overwritten before {step} (step {index}) reads it")
