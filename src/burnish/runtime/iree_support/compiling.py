"""Running IREE's compiler, which is a process of its own: a crash of it ends no one else."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from burnish.errors import CompileError, UnsupportedOpError
from burnish.logs import get_logger
from burnish.plugins import require
from burnish.runtime.iree_support.artifacts import ArtifactCache

log = get_logger(__name__)
_MISSING_OP = re.compile(r"failed to legalize.*?onnx\.([A-Za-z0-9_.]+)", re.DOTALL)
_MISSING_PART = re.compile(r"failed to legalize operation '([A-Za-z0-9_.]+)'")
_ERROR = re.compile(r"error: ([^\n]+)")
_HINT = "try onnxruntime, openvino or torch"
_SLOW_BYTES = 8 << 20
_cache = ArtifactCache(suffix=".vmfb")


def compiled(mlir: Callable[[], bytes], *, key: str, target: str, flags: Sequence[str]) -> Path:
    """Return the file of a compiled module, compiling it unless this process already has.

    Args:
        mlir: Gives the module; called only when there is something to compile.
        key: Digest of the graph that it was made from.
        target: IREE's name of the code generator, such as ``llvm-cpu``.
        flags: Further flags of ``iree-compile``.

    Raises:
        UnsupportedOpError: IREE has no lowering of an operator; the text names it.
        CompileError: The compiler refused the module for another reason, or crashed.
    """
    return _cache.get((key, target, *flags), lambda: _compile(mlir(), target, flags))


def _compile(mlir: bytes, target: str, flags: Sequence[str]) -> bytes:
    tools = require("iree.compiler.tools", extra="iree", need="the back end 'iree'")
    if len(mlir) > _SLOW_BYTES:
        log.info("iree compiles", target=target, mlir_bytes=len(mlir))
    try:
        binary: bytes = tools.compile_str(
            mlir, target_backends=[target], input_type="onnx", extra_args=list(flags)
        )
    except tools.CompilerToolError as error:
        raise _refused(str(error)) from error
    return binary


def _refused(text: str) -> CompileError | UnsupportedOpError:
    missing, part = _MISSING_OP.search(text), _MISSING_PART.search(text)
    if missing:
        return UnsupportedOpError(f"iree cannot lower {missing.group(1)}", hint=_HINT)
    if part:
        return UnsupportedOpError(
            f"iree cannot lower {part.group(1)}, which an operator of the graph becomes", hint=_HINT
        )
    reasons = list(dict.fromkeys(_ERROR.findall(text)))
    unknown = re.search(r"Unknown command line argument '([^']+)'", text)
    if unknown:
        return CompileError(f"iree-compile has no flag {unknown.group(1)}")
    if not reasons:
        return CompileError("iree's compiler crashed", hint="it is a fault of IREE: try another back end")
    return CompileError(f"iree refused the graph: {'; '.join(reason[:200] for reason in reasons[:3])}")
