"""Which numbers of a traced network become integers, so that engines find whole chains of integer kernels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from torch.fx import Graph, Node

from burnish.compress.qat.constants import is_constant
from burnish.compress.qat.operators import (
    ADD,
    CONVOLUTIONS,
    JOINS,
    MATMULS,
    RELUS,
    STAYS_FLOAT,
    WEIGHTED,
    keeps_values,
    layer_name,
)
from burnish.errors import NotFoundError, UnsupportedOpError, nearest

_KEPT = "kept in floating point by the settings"


@dataclass(slots=True)
class Placement:
    """What is going to be quantized, and what is not."""

    layers: dict[str, Node] = field(default_factory=dict)
    """Products that become integer kernels, by name."""
    floats: dict[str, str] = field(default_factory=dict)
    """Why a layer with weights, or a product, stays in floating point, by name."""
    joined: set[Node] = field(default_factory=set)
    """Additions and concatenations of integers."""
    results: set[Node] = field(default_factory=set)
    """Values that are integers for everyone who reads them: what convolutions, additions and concatenations leave."""

    @property
    def quantized(self) -> set[Node]:
        """Every node that reads integers."""
        return {*self.layers.values(), *self.joined}


def make_plan(graph: Graph, keep_float: Sequence[str] = (), *, keep_ends_float: bool = False) -> Placement:
    """Decide what becomes an integer.

    Every product whose operands engines can take as integers does. An addition or concatenation does when integers
    come in and another integer kernel reads what goes out: elsewhere it would only lose precision. The result of a
    convolution always does, as ONNX Runtime has no integer convolution that gives floating point.

    Args:
        graph: Of a traced network, in which constants are ``get_attr`` nodes.
        keep_float: Names of layers, or of modules with all layers in them, that stay in floating point.
        keep_ends_float: Whether the first and the last product do too.

    Raises:
        NotFoundError: ``keep_float`` names what is not there.
        UnsupportedOpError: Nothing is left to quantize.
    """
    plan = Placement()
    products = _products(graph, plan)
    _check_names(keep_float, [*products, *plan.floats])
    kept = [name for name in products if any(name == k or name.startswith(f"{k}.") for k in keep_float)]
    if keep_ends_float:
        kept += [next(iter(products)), list(products)[-1]] if products else []
    plan.floats |= dict.fromkeys(kept, _KEPT)
    plan.layers = {name: node for name, node in products.items() if name not in kept}
    if not plan.layers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in plan.floats.items())
        raise UnsupportedOpError(f"nothing to quantize: {reasons or 'the network multiplies nothing'}")
    _join(graph, plan)
    return plan


def operands(node: Node) -> tuple[Node, ...]:
    """Return the activations that a quantized node multiplies, adds or joins, in order."""
    if node.target in JOINS:
        return tuple(node.all_input_nodes)
    places = (WEIGHTED[node.target].data,) if has_weight(node) else (0, 1)
    return tuple(arg for arg in (node.args[place] for place in places) if isinstance(arg, Node))


def has_weight(node: Node) -> bool:
    """Tell whether a node multiplies by a stored weight."""
    return node.target in WEIGHTED and is_constant(node.args[WEIGHTED[node.target].weight])


def source(node: Node, *, parts: bool = True) -> Node:
    """Return the value of which a node only moves or picks numbers; the node itself when it computes."""
    while keeps_values(node, parts=parts) and isinstance(node.args[0], Node):
        node = node.args[0]
    return node


def _products(graph: Graph, plan: Placement) -> dict[str, Node]:
    """Return what can be quantized by name, and note what cannot."""
    found: dict[str, Node] = {}
    for node in graph.nodes:
        if node.target in STAYS_FLOAT:
            plan.floats[_named(node, plan.floats)] = STAYS_FLOAT[node.target]
            continue
        if not has_weight(node) and node.target not in MATMULS:
            if node.target in WEIGHTED:
                plan.floats[_named(node, plan.floats)] = "its weight is computed from the input"
            continue
        if not node.meta["val"].dtype.is_floating_point:
            continue  # an integer product is exact as it is
        found[_named(node, found)] = node
    return found


def _named(node: Node, taken: Iterable[str]) -> str:
    """Return a node's layer, with the operator's name where the layer does more than one thing."""
    path = layer_name(node)
    operator = str(node.target).split(".")[1]
    weighted = node.target not in MATMULS and path
    name = base = path if weighted else f"{path}.{operator}".lstrip(".")
    count = 0
    while name in set(taken):
        count += 1
        name = f"{base}_{count}"
    return name


def _check_names(wanted: Sequence[str], known: Sequence[str]) -> None:
    parents = {name[:end] for name in known for end in range(len(name)) if name[end] == "."}
    for name in wanted:
        if name not in parents and name not in known:
            raise NotFoundError(
                f"keep_float names {name!r}, which is no layer", hint=nearest(name, {*known, *parents})
            )


def _join(graph: Graph, plan: Placement) -> None:
    """Find the largest set of additions and concatenations between integers, and the values that are integers."""
    plan.joined = {node for node in graph.nodes if _may_join(node)}
    while True:
        plan.results = {
            _result(node) for node in plan.quantized if node in plan.joined or _gives_integers(node)
        }
        useless = {node for node in plan.joined if not _belongs(node, plan)}
        if not useless:
            return
        plan.joined -= useless


def _may_join(node: Node) -> bool:
    if node.target in JOINS:
        return len(operands(node)) > 1
    plain = node.target is ADD and len(node.args) == 2 and not node.kwargs
    return plain and len(operands(node)) == 2


def _gives_integers(node: Node) -> bool:
    return node.target in CONVOLUTIONS


def _result(node: Node) -> Node:
    """Return the value that leaves the kernel of a node: that of the activation which it takes in."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].target in RELUS else node


def _belongs(node: Node, plan: Placement) -> bool:
    return all(source(part) in plan.results for part in operands(node)) and _is_read(_result(node), plan)


def _is_read(value: Node, plan: Placement) -> bool:
    """Tell whether an integer kernel reads a value, as it is or moved."""
    return any(
        (user in plan.quantized and value in operands(user))
        or (keeps_values(user, parts=True) and _is_read(user, plan))
        for user in value.users
    )
