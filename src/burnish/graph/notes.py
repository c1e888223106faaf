"""Notes on a graph's inputs and outputs that ONNX has no field for: ragged axes and layouts.

They are kept as JSON in the model's metadata, so that they travel with the file.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from burnish.errors import ShapeError, nearest
from burnish.graph.signature import Signature, TensorSpec

NOTES = "burnish.notes"
"""Key of the model's metadata."""


def write_notes(signature: Signature, ragged: Mapping[str, Sequence[int]], layouts: Mapping[str, str]) -> str:
    """Check notes against a signature, and return them, with those that it has already, as JSON.

    Raises:
        ShapeError: No tensor has such a name, axis or number of axes.
    """
    specs = {spec.name: spec for spec in (*signature.inputs, *signature.outputs)}
    for name in (*ragged, *layouts):
        if name not in specs:
            raise ShapeError(f"no input or output is called {name!r}", hint=nearest(name, specs))
    notes = {}
    for name, spec in specs.items():
        noted = dataclasses.replace(
            spec, ragged=tuple(ragged.get(name, spec.ragged)), layout=layouts.get(name, spec.layout)
        )
        _check(noted)
        if noted.ragged or noted.layout is not None:
            notes[name] = {"ragged": list(noted.ragged), "layout": noted.layout}
    return json.dumps(notes, sort_keys=True)


def read_notes(signature: Signature, text: str) -> Signature:
    """Return a signature with the notes that were written for it; what does not fit it is left out.

    Another tool may have renamed a tensor or written the key itself: notes are advice, never a reason to refuse.
    """
    try:
        notes = json.loads(text) if text else {}
    except ValueError:
        return signature
    if not isinstance(notes, dict) or not notes:
        return signature
    inputs, outputs = (
        tuple(_noted(spec, notes.get(spec.name)) for spec in side)
        for side in (signature.inputs, signature.outputs)
    )
    return Signature(inputs, outputs)


def _noted(spec: TensorSpec, note: Any) -> TensorSpec:
    try:
        noted = dataclasses.replace(spec, ragged=tuple(note["ragged"]), layout=note["layout"])
        _check(noted)
    except (TypeError, KeyError, ShapeError):
        return spec
    return noted


def _check(spec: TensorSpec) -> None:
    for axis in spec.ragged:
        if not 0 < axis < len(spec.shape) or not isinstance(spec.shape[axis], str):
            raise ShapeError(
                f"axis {axis} of {spec.name!r} cannot be ragged",
                hint=f"it takes an axis after the first whose size varies; {spec}",
            )
    if spec.layout is not None and len(set(spec.layout)) != len(spec.shape):
        raise ShapeError(
            f"layout {spec.layout!r} does not name the axes of {spec.name!r}",
            hint=f"one letter for each axis, all different; {spec}",
        )
