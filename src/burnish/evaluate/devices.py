"""Which device for a model, a traffic and a latency objective: every device estimated, sized, priced and scored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from burnish.errors import ConfigError, UnsupportedDeviceError, nearest
from burnish.evaluate.calibration import Progress, calibrate
from burnish.evaluate.this_device import NAME
from burnish.graph import ComputeGraph
from burnish.graph.fusion import fuse
from burnish.hardware.as_run import as_run
from burnish.hardware.calibrated import CalibratedModel
from burnish.hardware.capacity import BATCHES, Demand, Sizing, size_fleet
from burnish.hardware.datasheet import DataSheetModel
from burnish.hardware.device import ITEM_BYTES, Device, Dtype
from burnish.hardware.estimate import CostModel, Estimate, estimate
from burnish.hardware.matrix import Matrix, Row, row
from burnish.hardware.tco import CostOptions
from burnish.hardware.weights import Weights
from burnish.hardware.whatif import changed
from burnish.hardware.work import Workload, workload

_TUNED = "onnxruntime"  # whose fused operators the data-sheet model was fitted on

DtypeChoice = Dtype | Literal["best"]


def check_dtype(name: str | None) -> None:
    """Refuse a choice of dtype that is not known.

    Raises:
        ConfigError: It is not; the hint names the nearest.
    """
    known = (*ITEM_BYTES, "best")
    if name is not None and name not in known:
        raise ConfigError(f"dtype: {name!r} is not known", hint=nearest(name, known))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What is assumed of model, service and prices."""

    name: str = "model"
    """Of the model, for tables and charts."""
    dtype: DtypeChoice | None = None
    """Arithmetic to assume: None for the graph's own, ``best`` for each device's fastest of eight bits or more."""
    prune: float = 0.0
    """Share of the parameters to assume pruned away."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of the symbolic dimensions other than the batch."""
    percentile: float = 0.99
    """Share of the requests that must be answered within the objective."""
    engine: str = "onnxruntime"
    """That this machine is estimated for."""
    weights: Weights = field(default_factory=Weights)
    """How much compute, power and cost count."""
    cost: CostOptions = field(default_factory=CostOptions)
    """Prices and habits."""

    def __post_init__(self) -> None:
        """Refuse a share that nothing could be left of, and a dtype that no device has."""
        check_dtype(self.dtype)
        if not 0 <= self.prune < 1:
            raise ConfigError(f"prune = {self.prune:g} is not within [0, 1)", hint="such as 0.4 for 40%")


ModelFor = Callable[[Device], CostModel]


def evaluate_devices(
    graph: ComputeGraph,
    devices: Sequence[Device],
    *,
    slo_ms: float,
    traffic_rps: float,
    options: EvaluateOptions | None = None,
    model_for: ModelFor | None = None,
) -> Matrix:
    """Estimate a model on devices, size a fleet of each for a traffic, and rank them.

    Args:
        graph: Not modified; it is fused as an engine would do it.
        devices: From `burnish.hardware.catalog.devices`, or of one's own.
        slo_ms: A request must be answered within this.
        traffic_rps: Requests a second, one example each, over all devices.
        options: Assumptions; None for the defaults.
        model_for: Gives the cost model of a device; None for `cost_model_for`.

    Raises:
        ConfigError: An objective, a price or a share is out of range.
        ShapeError: A symbolic dimension has no size, or a size belongs to no dimension.

    Cost: one shape inference of the graph for every batch size that some device reaches.
    """
    options = options or EvaluateOptions()
    demand = Demand(
        slo_s=slo_ms / 1000,
        traffic_rps=traffic_rps,
        utilisation=options.cost.utilisation,
        percentile=options.percentile,
    )
    make = model_for or (lambda device: cost_model_for(device, engine=options.engine))
    works = _Workloads(graph, options)
    works.at(works.batches[0], None, measured=False)  # what is wrong with the graph is no device's fault
    rows = tuple(_row(device, works, make, demand, options) for device in devices)
    return Matrix(options.name, rows, demand, options.cost, options.weights)


def cost_model_for(
    device: Device, *, engine: str = "onnxruntime", on_progress: Progress | None = None
) -> CostModel:
    """Return what tells the time of an operator on a device.

    Args:
        device: This machine's processor gets the model that was calibrated on it; all others one of their figures.
        engine: That this machine's model is calibrated with.
        on_progress: Told how far the calibration is, and how far it goes.

    Cost: micro-benchmarks of some minutes where this machine was not calibrated yet.
    """
    if device.name == NAME:
        return CalibratedModel(device, calibrate(engine, on_progress=on_progress))
    return DataSheetModel(device)


class _Workloads:
    """The operators of one graph by batch size and dtype, each list worked out once."""

    def __init__(self, graph: ComputeGraph, options: EvaluateOptions) -> None:
        self._graph = graph
        self._fused = fuse(graph, target=_TUNED).graph
        self._options = options
        self._plain: dict[tuple[int, bool], Workload] = {}
        self._changed: dict[tuple[int, Dtype | None, bool], Workload] = {}

    @cached_property
    def batches(self) -> tuple[int, ...]:
        """Batch sizes that the graph can run in.

        Leading dimensions of one size in all inputs are taken for the batch. Where they differ some are lengths or
        states, nothing says which, and one example a call is what nobody can be misled by.
        """
        leading = [spec.shape[0] for spec in self._graph.signature.inputs if spec.shape]
        fixed = [dim if isinstance(dim, int) else self._options.sizes.get(dim) for dim in leading]
        known = [size for size in fixed if size is not None]
        if len(known) < len(fixed):
            return BATCHES
        return (known[0],) if len(set(known)) == 1 else (1,)

    def at(self, batch: int, dtype: Dtype | None, *, measured: bool) -> Workload:
        """Return the operators, changed as the options say.

        Args:
            batch: Examples a call.
            dtype: To change to; None leaves it.
            measured: Whether as the engine here runs them, with its layout changes, for a model calibrated with it.
        """
        key = batch, dtype, measured
        if key not in self._changed:
            plain = self._listed(batch, measured=measured)
            self._changed[key] = changed(plain, dtype=dtype, prune=self._options.prune)
        return self._changed[key]

    def _listed(self, batch: int, *, measured: bool) -> Workload:
        if (batch, measured) not in self._plain:
            name, sizes = self._options.name, self._options.sizes
            self._plain[batch, measured] = (
                as_run(self._graph, self._options.engine, name=name, batch=batch, sizes=sizes)
                if measured
                else workload(self._fused, name=name, batch=batch, sizes=sizes)
            )
        return self._plain[batch, measured]


def _row(device: Device, works: _Workloads, make: ModelFor, demand: Demand, options: EvaluateOptions) -> Row:
    try:
        model = make(device)
        dtype, first = _chosen_dtype(model, works, options.dtype)
    except UnsupportedDeviceError as error:
        return row(device, None, {}, Sizing("infeasible", None, reasons=(str(error),)), options.cost)
    estimates = {works.batches[0]: first}
    for batch in works.batches[1:]:
        if estimates[max(estimates)].low > demand.slo_s:
            break  # larger batches take longer still
        estimates[batch] = _estimate(model, works, batch, dtype)
    return row(device, _main_dtype(first.workload), estimates, size_fleet(estimates, demand), options.cost)


def _chosen_dtype(
    model: CostModel, works: _Workloads, choice: DtypeChoice | None
) -> tuple[Dtype | None, Estimate]:
    """Return the dtype to change to, and the estimate of the smallest batch with it."""
    batch = works.batches[0]
    if choice != "best":
        return choice, _estimate(model, works, batch, choice)
    found: list[tuple[Dtype, Estimate]] = []
    for dtype in (one for one in model.device.peaks if ITEM_BYTES[one] >= 1):
        try:
            found.append((dtype, _estimate(model, works, batch, dtype)))
        except UnsupportedDeviceError:
            continue  # a figure of the device that its model has no use for
    if not found:
        raise UnsupportedDeviceError(f"{model.device.name} has no dtype that can be estimated")
    return min(found, key=lambda one: one[1].seconds)


def _estimate(model: CostModel, works: _Workloads, batch: int, dtype: Dtype | None) -> Estimate:
    return estimate(works.at(batch, dtype, measured=isinstance(model, CalibratedModel)), model)


def _main_dtype(work: Workload) -> Dtype | None:
    """Return the dtype of most of the arithmetic."""
    flops: dict[Dtype, int] = {}
    for one in work.works:
        flops[one.dtype] = flops.get(one.dtype, 0) + one.flops
    return max(flops.items(), key=lambda item: item[1])[0] if flops else None
