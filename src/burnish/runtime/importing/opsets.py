"""Old opsets, raised to one whose operators an engine follows."""

import onnx

from burnish.errors import UnsupportedOpError

_DOMAINS = ("", "ai.onnx")


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of the standard operators that a model uses; the newest when it names none."""
    versions = [entry.version for entry in model.opset_import if entry.domain in _DOMAINS]
    return versions[0] if versions else onnx.defs.onnx_opset_version()


def raised(model: onnx.ModelProto, *, oldest: int, to: int, engine: str) -> onnx.ModelProto:
    """Return the model itself when its opset is recent enough, else a copy raised to ``to``.

    Args:
        model: What to raise.
        oldest: The oldest opset that the engine follows.
        to: The opset to raise an older one to.
        engine: Whose limit it is, for the error's text.

    Raises:
        UnsupportedOpError: An operator of the model has no form in the newer opset.
    """
    version = opset_of(model)
    if version >= oldest:
        return model
    try:
        return onnx.version_converter.convert_version(model, to)
    except Exception as error:  # the converter raises plain RuntimeErrors, and others, for what it lacks
        raise UnsupportedOpError(
            f"the {engine} back end cannot raise opset {version} to {to}: {error}",
            hint=f"export with opset {oldest} or later, or try onnxruntime",
        ) from error
