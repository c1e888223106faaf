"""Predict a model's latency on a device: list what its engine would run, ask what if, and add up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from burnish.graph import ComputeGraph
from burnish.graph.fusion import fuse
from burnish.hardware.as_run import as_run
from burnish.hardware.calibrated import CalibratedModel
from burnish.hardware.device import Dtype
from burnish.hardware.estimate import CostModel, Estimate, estimate
from burnish.hardware.whatif import changed
from burnish.hardware.work import Workload, workload

_TUNED = "onnxruntime"  # whose fused operators the data-sheet model was fitted on


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """What is assumed of a model before its latency is predicted."""

    name: str = "model"
    """For tables and charts."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of the symbolic dimensions other than the batch."""
    dtype: Dtype | None = None
    """What if its products had this type; None for the graph's own."""
    prune: float = 0.0
    """What if this share of its parameters were removed."""
    keep_ends: bool = False
    """Whether the first and last layer keep their type."""
    round_to: int = 1
    """Channels that pruning leaves are a multiple of this."""

    @property
    def changes(self) -> bool:
        """Whether the model is assumed to be another than it is."""
        return self.dtype is not None or self.prune > 0


def predict(
    graph: ComputeGraph, model: CostModel, *, batch: int = 1, options: PredictOptions | None = None
) -> Estimate:
    """Predict the latency of one call.

    Args:
        graph: As it was captured; not modified.
        model: Tells the time of each operator.
        batch: Size of every symbolic leading dimension of an input.
        options: What is assumed; None for the graph as it is.

    Raises:
        ConfigError: What is asked of pruning or the type cannot be.
        ShapeError: A symbolic dimension has no size, or a size belongs to no dimension.
        UnsupportedDeviceError: The device does not have the type of some operator.
    """
    options = options or PredictOptions()
    listed = _listed(graph, model, batch, options)
    asked = changed(
        listed,
        dtype=options.dtype,
        prune=options.prune,
        keep_ends=options.keep_ends,
        round_to=options.round_to,
    )
    return estimate(asked, model)


def _listed(graph: ComputeGraph, model: CostModel, batch: int, options: PredictOptions) -> Workload:
    if isinstance(model, CalibratedModel):
        return as_run(graph, model.engine, name=options.name, batch=batch, sizes=options.sizes)
    fused = fuse(graph, target=_TUNED).graph
    return workload(fused, name=options.name, batch=batch, sizes=options.sizes)
