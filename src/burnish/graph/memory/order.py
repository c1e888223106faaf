"""Another order of the same steps that keeps fewer bytes alive."""

from dataclasses import replace

from burnish.graph.memory.program import Program


def reordered(program: Program) -> Program:
    """Run at each turn the ready step that leaves the fewest bytes alive; ties keep the given order.

    A heuristic: the result may need more memory than the given order, so plan both and keep the smaller.
    """
    choice = _Choice(program)
    order = []
    while choice.ready:
        order.append(choice.take())
    return replace(program, steps=tuple(program.steps[index] for index in order))


class _Choice:
    """Which steps can run next, and what each would do to the memory in use."""

    def __init__(self, program: Program) -> None:
        self._steps = program.steps
        self._roots: dict[str, str] = {}
        for step in program.steps:
            self._roots |= {name: self._root(view.of) for name, view in step.views.items()}
        self._kept = {name: program.sizes[name] for name in program.computed if name not in self._roots}
        self._readers: dict[str, set[int]] = {}
        self._followers: dict[int, set[int]] = {}
        producer = {name: index for index, step in enumerate(self._steps) for name in step.writes}
        self._missing: list[int] = []
        for index, step in enumerate(self._steps):
            needs = {producer[name] for name in step.reads if name in producer}
            self._missing.append(len(needs))
            for need in needs:
                self._followers.setdefault(need, set()).add(index)
            for name in step.reads:
                self._readers.setdefault(self._root(name), set()).add(index)
        self.ready = {index for index, missing in enumerate(self._missing) if not missing}

    def take(self) -> int:
        """Choose a ready step and count it as run."""
        best = min(self.ready, key=lambda index: (self._growth(index), index))
        self.ready.remove(best)
        for name in self._steps[best].reads:
            self._readers[self._root(name)].discard(best)
        for follower in self._followers.get(best, ()):
            self._missing[follower] -= 1
            if not self._missing[follower]:
                self.ready.add(follower)
        return best

    def _growth(self, index: int) -> int:
        step = self._steps[index]
        born = sum(self._kept.get(name, 0) for name in step.writes)
        read = {self._root(name) for name in step.reads}
        freed = sum(self._kept.get(root, 0) for root in read if self._readers[root] == {index})
        return born - freed

    def _root(self, name: str) -> str:
        return self._roots.get(name, name)
