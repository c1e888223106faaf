"""A graph traced by torch.export and compiled by Inductor, for free sizes as far as torch can leave them free."""

import os
import shutil
import tempfile
import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from burnish.errors import CompileError
from burnish.graph.signature import Signature
from burnish.logs import get_logger
from burnish.runtime.torch_ops.interpreter import Interpreter

log = get_logger(__name__)
_KEPT_PROGRAMS = 8
_FIRST_SIZE = 2
Shapes = tuple[tuple[int, ...], ...]


class CompiledGraph:
    """Programs compiled from one graph, each for the sizes that tracing could not leave free.

    A size of 1 is never left free: torch lays out and broadcasts such axes in a way of their own.

    Args:
        interpreter: What to trace.
        signature: Of the graph; its symbols are the sizes to leave free.
        packaged: Whether to compile to a package instead of into this process.

    Raises:
        CompileError: There is no C++ compiler.
    """

    def __init__(self, interpreter: Interpreter, signature: Signature, *, packaged: bool) -> None:
        if interpreter.device == "cpu":
            _check_compiler()
        self._interpreter = interpreter
        self._signature = signature
        self._packaged = packaged
        self._constant = interpreter.constant_outputs()
        self._programs: OrderedDict[Shapes, tuple[Shapes, Any]] = OrderedDict()
        self._compiling = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="burnish-torch-", ignore_cleanup_errors=True)
        self._made = 0

    def compile_ahead(self) -> None:
        """Compile for two rows, or whatever symbols there are, to tell what cannot be compiled.

        Raises:
            CompileError: The graph cannot be traced or compiled.
        """
        sizes: dict[str, int] = {}
        for spec in self._signature.inputs:
            for dim in spec.shape:
                if isinstance(dim, str):  # different for every symbol: torch takes equal sizes for one
                    sizes.setdefault(dim, _FIRST_SIZE + len(sizes))
        shapes = tuple(
            tuple(sizes[dim] if isinstance(dim, str) else dim for dim in spec.shape)
            for spec in self._signature.inputs
        )
        if all(size for shape in shapes for size in shape):
            self._program(shapes)

    def __call__(self, *inputs: torch.Tensor) -> Sequence[torch.Tensor]:
        """Run once; results that depend on no input are copies.

        Raises:
            CompileError: The graph cannot be compiled for these sizes.
        """
        results = self._program(tuple(tuple(tensor.shape) for tensor in inputs))(*inputs)
        return [
            result.clone() if constant else result
            for result, constant in zip(results, self._constant, strict=True)
        ]

    def close(self) -> None:
        """Let go of the programs and their files."""
        with self._compiling:
            self._programs.clear()
            self._folder.cleanup()

    def _program(self, shapes: Shapes) -> Any:
        found = self._find(shapes)
        if found is None:
            with self._compiling:
                found = self._find(shapes)  # another thread may have added it meanwhile
                if found is None:
                    found = self._add(shapes)
        return found

    def _find(self, shapes: Shapes) -> Any:
        for fixed, program in list(self._programs.values()):
            if all(map(_fits, fixed, shapes)):
                return program
        return None

    def _add(self, shapes: Shapes) -> Any:
        log.info("torch compiles", shapes=shapes, packaged=self._packaged)
        examples = [
            torch.zeros(shape, dtype=_dtype(spec.dtype), device=self._interpreter.device)
            for shape, spec in zip(shapes, self._signature.inputs, strict=True)
        ]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch's own parts to one another
                exported = self._traced(examples)
                program = self._package(exported) if self._packaged else _in_process(exported, examples)
        except Exception as error:  # tracing and compiling raise whatever is raised on the way
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise CompileError(
                f"torch cannot compile the graph: {lines[0][:300]}", hint="mode 'eager' runs it uncompiled"
            ) from error
        self._programs[shapes] = (_fixed(exported), program)
        while len(self._programs) > _KEPT_PROGRAMS:
            self._programs.popitem(last=False)
        return program

    def _traced(self, examples: list[torch.Tensor]) -> Any:
        auto = torch.export.Dim.AUTO
        free = [
            {
                axis: auto
                for axis, dim in enumerate(spec.shape)
                if isinstance(dim, str) and example.shape[axis] > 1
            }
            for spec, example in zip(self._signature.inputs, examples, strict=True)
        ]
        with torch.no_grad():
            return torch.export.export(
                self._interpreter.twin(),
                tuple(examples),
                dynamic_shapes={"inputs": tuple(free)},
                strict=False,
            )

    def _package(self, exported: Any) -> Any:
        self._made += 1
        path = str(Path(self._folder.name) / f"{self._made}.pt2")
        torch._inductor.aoti_compile_and_package(
            exported, package_path=path, inductor_configs={"freezing": True}
        )
        return torch._inductor.aoti_load_package(path)


def _in_process(exported: Any, examples: Sequence[torch.Tensor]) -> Any:
    program = torch.compile(exported.module(), dynamic=True, options={"freezing": True})
    with torch.inference_mode():  # as it is run later: otherwise it would be compiled again
        program(*examples)  # type: ignore[no-untyped-call]
    return program


def _fixed(exported: Any) -> Shapes:
    """Return the sizes that tracing settled on, -1 for those that it left free."""
    names = exported.graph_signature.user_inputs
    values = {node.name: node.meta["val"] for node in exported.graph.nodes if node.op == "placeholder"}
    return tuple(
        tuple(size if isinstance(size, int) else -1 for size in values[name].shape) for name in names
    )


def _fits(fixed: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return all(
        size == expected or (expected == -1 and size > 1) for expected, size in zip(fixed, shape, strict=True)
    )


def _dtype(name: str) -> torch.dtype:
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def _check_compiler() -> None:
    if not (os.environ.get("CXX") or any(map(shutil.which, ("g++", "clang++", "cl")))):
        raise CompileError(
            "torch's compiler writes C++ for the CPU, and there is no C++ compiler here",
            hint="install g++ or clang++, or set CXX; mode 'eager' needs none",
        )
