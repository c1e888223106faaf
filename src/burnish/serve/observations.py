"""What happened to each request of a model that is being rolled out, for whoever judges the versions.

A page, as ``GET /admin/models/{model}/observations?after=SEQ&limit=N`` returns it:

    {"epoch": "5f0c...", "last_seq": 812, "dropped": 3, "observations": [
      {"seq": 811, "id": "...", "user": "u1", "label": 7, "late_label": false,
       "served": {"version": "1", "answer": 7, "latency_ms": 1.9, "error": "", "finite": true},
       "shadow": {"version": "2", "answer": 1, "latency_ms": 1.2, "error": "", "finite": true}}]}

``epoch`` names one life of the server: numbers begin at 1 in each. ``dropped`` counts mirrored requests that
were not run because the shadow could not keep up. A request is listed when both answers are there, and once
more, under a new number and with ``late_label`` true, when its label comes later.
"""

import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from burnish.graph.signature import Array, dtype_of

_MAX_ANSWER = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How one version answered one request."""

    version: str
    answer: Any = None
    latency_ms: float = 0.0
    error: str = ""
    """Code of the error; empty when there was none. A time-out is an error."""
    finite: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One request, seen from both versions."""

    seq: int
    id: str
    user: str
    served: Answered
    shadow: Answered | None
    label: Any = None
    late_label: bool = False


class Observations:
    """The newest observations of one model, and the labels that wait for theirs.

    Args:
        size: How many are kept.
    """

    def __init__(self, size: int) -> None:
        self.epoch = uuid.uuid4().hex
        self.dropped = 0
        self._size = size
        self._ring: deque[Observation] = deque(maxlen=size)
        self._by_id: OrderedDict[str, Observation] = OrderedDict()
        self._labels: OrderedDict[str, Any] = OrderedDict()
        self._seq = 0

    def record(self, request_id: str, user: str, served: Answered, shadow: Answered | None) -> None:
        """Add a request that both versions have finished."""
        label = self._labels.pop(request_id, None)
        observation = Observation(
            seq=self._next(), id=request_id, user=user, served=served, shadow=shadow, label=label
        )
        self._ring.append(observation)
        self._by_id[request_id] = observation
        _trim(self._by_id, self._size)

    def label(self, request_id: str, label: Any) -> str:
        """Join a label with its prediction.

        Returns:
            ``joined``, ``waiting`` when the prediction is not finished or not known, or ``duplicate``.
        """
        known = self._by_id.get(request_id)
        if known is None:
            if request_id in self._labels:
                return "duplicate"
            self._labels[request_id] = label
            _trim(self._labels, self._size)
            return "waiting"
        if known.label is not None:
            return "duplicate"
        late = replace(known, seq=self._next(), label=label, late_label=True)
        self._by_id[request_id] = late
        self._ring.append(late)
        return "joined"

    def page(self, after: int, limit: int) -> dict[str, Any]:
        """Return the observations behind a number, oldest first."""
        first = self._ring[0].seq if self._ring else 1  # numbers have no gaps
        skipped = max(0, after + 1 - first)
        found = [_row(item) for item in islice(self._ring, skipped, skipped + limit)]
        return {
            "epoch": self.epoch,
            "last_seq": found[-1]["seq"] if found else (after if after <= self._seq else 0),
            "dropped": self.dropped,
            "observations": found,
        }

    def _next(self) -> int:
        self._seq += 1
        return self._seq


def summarize(outputs: Mapping[str, Array]) -> tuple[Any, bool]:
    """Return what a version answered, small enough to keep, and whether every number was finite.

    Scores over classes become the index of the largest, one a row; other outputs come as they are while they
    are small. One row gives a bare value.
    """
    finite = all(np.isfinite(a).all() for a in outputs.values() if _is_float(a))
    first = next(iter(outputs.values()))
    if first.ndim == 2 and first.shape[1] > 1 and _is_float(first):
        answer: Any = first.argmax(axis=1).tolist()
    elif first.dtype.kind in "OSU" or first.size > _MAX_ANSWER:
        answer = [str(item) for item in first.flat[:_MAX_ANSWER]]
    else:
        answer = first.reshape(-1).tolist()
    return (answer[0] if isinstance(answer, list) and len(answer) == 1 else answer), bool(finite)


def _is_float(array: Array) -> bool:
    return dtype_of(array) in ("float16", "bfloat16", "float32", "float64")


def _row(item: Observation) -> dict[str, Any]:
    """Return an observation as JSON data; `dataclasses.asdict` is ten times slower and would hold up the loop."""
    return {
        "seq": item.seq,
        "id": item.id,
        "user": item.user,
        "served": _side(item.served),
        "shadow": _side(item.shadow) if item.shadow is not None else None,
        "label": item.label,
        "late_label": item.late_label,
    }


def _side(answered: Answered) -> dict[str, Any]:
    return {
        "version": answered.version,
        "answer": answered.answer,
        "latency_ms": answered.latency_ms,
        "error": answered.error,
        "finite": answered.finite,
    }


def _trim(mapping: "OrderedDict[str, Any]", size: int) -> None:
    while len(mapping) > size:
        mapping.popitem(last=False)
