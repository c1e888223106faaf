"""Tries whether units stand a cut: the tracer guesses, and a wrong guess would ruin a network without a word.

Two trials. Channels that a unit calls interchangeable are exchanged in all its layers: whatever normalisation or
attention lies between, the outputs must stay as they are. If not, a layer was missed or misread.
Then a part of every unit is cut: forward must still work and give outputs of the same shapes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import torch
from torch import nn

from burnish.compress.pruning.discovery import Findings
from burnish.compress.pruning.members import Group, GroupMember, members_of
from burnish.compress.pruning.units import Unit

_ALIKE = 1e-4
"""Largest change of the outputs, as a share of the largest output, that the order of float32 sums explains."""
_SHARE = 4
"""One part of so many is cut on trial."""

Inputs = tuple[torch.Tensor, ...]


class Cuttable(Protocol):
    """What is needed of a network's groups."""

    def found(self) -> Findings:
        """Return what the tracer sees."""
        ...

    def group(self, of: Unit) -> Group:
        """Return the group of all parts of a unit, part by part."""
        ...

    def remove(self, of: Unit, chosen: Sequence[int]) -> None:
        """Cut parts."""
        ...

    def undone(self) -> AbstractContextManager[None]:
        """Put all back that is cut inside."""
        ...


def refused(model: nn.Module, inputs: Inputs, groups: Cuttable) -> dict[str, str]:
    """Return the units of a network that do not stand a cut, and why.

    Args:
        model: In eval mode. It is changed and put back.
        inputs: What forward takes.
        groups: Of the model.

    Cost: three forward passes where all is well, and about two more for each unit that fails.
    """
    return _Trial(model, inputs, groups).refused()


class _Trial:
    def __init__(self, model: nn.Module, inputs: Inputs, groups: Cuttable) -> None:
        self._model = model
        self._inputs = inputs
        self._groups = groups
        self._units = {unit.name: unit for unit in groups.found().units}
        self._before = self._run()

    def refused(self) -> dict[str, str]:
        members: dict[str, list[GroupMember]] = {}
        bad: dict[str, str] = {}
        for name, unit in self._units.items():
            try:
                members[name] = members_of(self._groups.group(unit))
            except Exception as error:  # whatever Torch-Pruning raises where it cannot follow
                bad[name] = f"its channels cannot be followed: {_said(error)}"
        # the order of the search is the order of the network: neighbours fail together
        mixed = _search(list(members), lambda names: self._mixing(names, members))
        bad |= {name: self._resizing(name) or reason for name, reason in mixed.items()}
        sound = [name for name in members if name not in mixed]
        # each kind by itself first: heads that are cut where the width of a token is not, and the other way around
        for kind in dict.fromkeys(self._units[name].kind for name in sound):
            of_kind = [name for name in sound if self._units[name].kind == kind]
            bad |= _search(of_kind, self._cutting)
        return bad | _search([name for name in sound if name not in bad], self._cutting)

    def _mixing(self, names: Sequence[str], members: Mapping[str, list[GroupMember]]) -> str | None:
        """Exchange the parts of units and look at the outputs."""
        with _kept(self._model):
            try:
                for name in names:
                    _exchange(members[name], self._units[name].size)
                if _alike(self._before, self._run()):
                    return None
            except Exception as error:  # channels that are not what the tracer took them for
                return f"its channels are not interchangeable: {_said(error)}"
        return "its channels are not interchangeable: the outputs change when two of them are exchanged"

    def _cutting(self, names: Sequence[str]) -> str | None:
        """Cut units and look at the outputs' shapes."""
        try:
            return _resized(self._before, self._run_cut(names))
        except Exception as error:  # whatever the user's forward may raise
            parts = "heads" if self._units[names[0]].kind == "heads" else "channels"
            return f"it does not work with fewer {parts}: {_said(error)}"

    def _resizing(self, name: str) -> str | None:
        """Tell whether a unit is an output of the network, which explains why its channels are not alike."""
        try:
            return _resized(self._before, self._run_cut([name]))
        except Exception:  # there is a better explanation
            return None

    def _run_cut(self, names: Sequence[str]) -> list[torch.Tensor]:
        with self._groups.undone():
            for unit in (self._units[name] for name in names):
                self._groups.remove(unit, range(max(1, unit.width // _SHARE)))
            return self._run()

    def _run(self) -> list[torch.Tensor]:
        with torch.no_grad():
            return list(_tensors(self._model(*self._inputs)))


def _search(names: Sequence[str], failure: Callable[[Sequence[str]], str | None]) -> dict[str, str]:
    """Return the names that fail, with the reason: all at once first, then in halves."""
    reason = failure(names) if names else None
    if reason is None:
        return {}
    if len(names) == 1:
        return {names[0]: reason}
    half = len(names) // 2
    return _search(names[:half], failure) | _search(names[half:], failure)


@contextmanager
def _kept(model: nn.Module) -> Iterator[None]:
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    try:
        yield
    finally:
        model.load_state_dict(weights)


def _exchange(members: Sequence[GroupMember], size: int) -> None:
    """Move every part's slices to the next part, and the last one's to the first."""
    done: set[tuple[int, int]] = set()  # tied weights move once
    for member in members:
        order = _order(member, size)
        for slices in member.slices():
            place = slices.tensor.data_ptr(), slices.axis % slices.tensor.dim()
            if place not in done:
                done.add(place)
                # of a grouped layer's inputs, the first group stands for all
                kept = order[: slices.tensor.shape[slices.axis]]
                slices.tensor.data.copy_(slices.tensor.data.index_select(slices.axis, kept))


def _order(member: GroupMember, size: int) -> torch.Tensor:
    """Return which of a layer's channels comes in whose place when every part takes that of the one before."""
    at_position: dict[int, list[int]] = {}
    for index, position in zip(member.indices, member.positions, strict=True):
        at_position.setdefault(position, []).append(index)
    order = torch.arange(_channels(member))
    for position, indices in at_position.items():
        order[indices] = torch.tensor(at_position[(position + size) % len(at_position)])
    return order


def _channels(member: GroupMember) -> int:
    longest = max((slices.tensor.shape[slices.axis] for slices in member.slices()), default=0)
    return max(longest, max(member.indices) + 1)


def _alike(before: Sequence[torch.Tensor], after: Sequence[torch.Tensor]) -> bool:
    return all(
        a.shape == b.shape and bool((a - b).abs().max() <= _ALIKE * a.abs().max())
        for a, b in zip(before, after, strict=True)
    )


def _resized(before: Sequence[torch.Tensor], after: Sequence[torch.Tensor]) -> str | None:
    for a, b in zip(before, after, strict=True):
        if a.shape != b.shape:
            return f"it would change an output from {tuple(a.shape)} to {tuple(b.shape)}"
    return None


def _tensors(outputs: Any) -> Iterator[torch.Tensor]:
    if isinstance(outputs, torch.Tensor):
        yield outputs
    elif outputs is not None:
        for part in outputs.values() if isinstance(outputs, Mapping) else outputs:
            yield from _tensors(part)


def _said(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else 'without a word'}"
