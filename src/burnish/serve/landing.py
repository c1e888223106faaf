"""Where in the slab an engine writes its results itself, so that they need not be copied there."""

from collections.abc import Mapping
from typing import Any

from burnish.errors import ShapeError
from burnish.graph.signature import Array, Signature
from burnish.logs import get_logger
from burnish.runtime.checked import CheckedSession
from burnish.serve.slab import Layout, Slab, plan, target, write

log = get_logger(__name__)

_WORTH_BYTES = 1 << 18
"""Results smaller than this are copied: that takes less time than preparing the engine to write elsewhere."""


class Landing:
    """Runs batches so that their results lie in the slab.

    Results whose shapes follow from those of the inputs are written there by the engine when they are large;
    all others are copied. A signature that turns out to be wrong about its shapes is not believed again.
    """

    def __init__(self, session: CheckedSession, slab: Slab) -> None:
        self._session = session
        self._slab = slab
        self._foreseen = _foreseen(session.signature)

    def run(self, inputs: Mapping[str, Array], start: int) -> Layout:
        """Run once and return where the results lie, from byte ``start`` on; errors are the session's."""
        if self._foreseen:
            layout = self._laid_out(inputs, start)
            if sum(item["bytes"] for item in layout) >= _WORTH_BYTES:
                try:
                    self._session.run(inputs, {item["name"]: target(self._slab, item) for item in layout})
                except ShapeError as error:
                    log.warning("results have other shapes than the signature says", reason=error.message)
                    self._foreseen = False
                else:
                    return layout
        return write(self._slab, self._session.run(inputs), start=start)

    def _laid_out(self, inputs: Mapping[str, Array], start: int) -> Layout:
        signature = self._session.signature
        sizes = {
            dim: size
            for spec in signature.inputs
            for dim, size in zip(spec.shape, inputs[spec.name].shape, strict=True)
        }
        shapes: dict[str, Any] = {
            spec.name: (spec.dtype, [dim if isinstance(dim, int) else sizes[dim] for dim in spec.shape])
            for spec in signature.outputs
        }
        layout, _ = plan(shapes, {}, start)
        return layout


def _foreseen(signature: Signature) -> bool:
    """Tell whether the shapes of all results follow from those of the inputs."""
    known = {dim for spec in signature.inputs for dim in spec.shape}
    return all(
        spec.dtype != "string" and all(isinstance(dim, int) or dim in known for dim in spec.shape)
        for spec in signature.outputs
    )
