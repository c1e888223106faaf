"""Which values share one piece of memory, and from which step to which it is needed."""

from collections.abc import Iterable
from dataclasses import dataclass

from burnish.graph.memory.program import Program, View


@dataclass(frozen=True, slots=True)
class Storage:
    """One piece of memory and the values in it."""

    root: str
    """The value that spans it."""
    size_bytes: int
    first: int
    """Step that writes it first."""
    last: int
    """Last step that reads or writes it."""
    members: tuple[tuple[str, int], ...]
    """Every value in it, with its offset in bytes from the start."""


def storages(program: Program, *, in_place: bool, joins: bool, alignment: int) -> list[Storage]:
    """Group the computed values by the memory they share.

    Args:
        program: What to plan.
        in_place: Whether an operator may overwrite an input that nobody reads afterwards.
        joins: Whether inputs of a concatenation are produced inside its output.
        alignment: A value inside another starts at a multiple of this many bytes.
    """
    sharing = _Sharing(program, alignment)
    sharing.add_views()
    if joins:
        sharing.add_joins()
    sharing.find_lifetimes()
    if in_place:
        sharing.add_in_place()
    return sharing.result()


class _Sharing:
    """The values of one program, grouped step by step."""

    def __init__(self, program: Program, alignment: int) -> None:
        self._program = program
        self._alignment = alignment
        self._own = set(program.computed)
        self._inside: dict[str, View] = {}
        self._first: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def add_views(self) -> None:
        """Let reshaped and sliced values lie in what they are taken from, be it the caller's."""
        for step in self._program.steps:
            for name, view in step.views.items():
                fits = self._home(view.of)[1] + view.offset
                if (
                    name in self._own
                    and view.of not in self._program.unplanned
                    and not fits % self._alignment
                ):
                    self._inside[name] = view

    def add_joins(self) -> None:
        """Let inputs of a concatenation be written where it would copy them: all of them, or none."""
        for step in self._program.steps:
            targets = {view.of for view in step.joins.values()}
            free = all(
                name in self._own and name not in self._inside and not view.offset % self._alignment
                for name, view in step.joins.items()
            )
            if targets and free and targets <= self._own and not targets & self._inside.keys():
                self._inside.update(step.joins)

    def find_lifetimes(self) -> None:
        """Find the first and the last step of every root, over all values that lie in it."""
        for index, step in enumerate(self._program.steps):
            for name in (*step.reads, *step.writes):
                root = self._home(name)[0]
                self._first.setdefault(root, index)
                self._last[root] = index

    def add_in_place(self) -> None:
        """Let an operator overwrite an input of the same size that dies with it."""
        for index, step in enumerate(self._program.steps):
            for candidate in step.in_place:
                if self._may_overwrite(candidate, step.writes[0], step.reads, index):
                    root = self._home(candidate)[0]
                    self._inside[step.writes[0]] = View(root)
                    self._last[root] = self._last.pop(step.writes[0])
                    break

    def _may_overwrite(self, candidate: str, result: str, reads: Iterable[str], step: int) -> bool:
        size = self._program.sizes[candidate]
        root, offset = self._home(candidate)
        if result not in self._own or result in self._inside or root not in self._own or offset:
            return False
        if self._first[result] != step or self._last[root] != step or self._program.sizes[root] != size:
            return False
        # another operand in the same memory must lie there element for element, as in x + x
        others = [name for name in reads if self._home(name)[0] == root]
        return all(self._home(name)[1] == 0 and self._program.sizes[name] == size for name in others)

    def result(self) -> list[Storage]:
        members: dict[str, list[tuple[str, int]]] = {}
        for name in self._program.computed:
            root, offset = self._home(name)
            if root in self._own:
                members.setdefault(root, []).append((name, offset))
        return [
            Storage(root, self._program.sizes[root], self._first[root], self._last[root], tuple(inside))
            for root, inside in members.items()
        ]

    def _home(self, name: str) -> tuple[str, int]:
        offset = 0
        while name in self._inside:
            view = self._inside[name]
            name, offset = view.of, offset + view.offset
        return name, offset
