"""From a folder in Hugging Face's layout (config.json and safetensors) to one graph; the network is never asked."""

import contextlib
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import InputError, NotFoundError, UnsupportedOpError
from burnish.graph.capture import capture
from burnish.graph.graph import ComputeGraph
from burnish.graph.signature import Array
from burnish.plugins import require

LENGTH = "length"
"""Symbol of the axis of tokens."""
_EXAMPLE_LENGTH = 11
_TEXT = ("input_ids", "attention_mask", "token_type_ids")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def is_model_folder(path: Path) -> bool:
    """Tell whether a path is a folder in Hugging Face's layout."""
    return (path / "config.json").is_file()


def capture_folder(folder: Path) -> ComputeGraph:
    """Capture a model that reads text or images in one pass: an encoder, with or without a head.

    The class is the first of ``architectures`` in config.json. Token ids have the shape [batch, length], of which the
    length is ragged; pixels have [batch, channels, height, width].

    Raises:
        NotFoundError: The folder, its config.json or its weights are missing.
        UnsupportedOpError: The architecture is none of `transformers`, or generates token by token.
        InputError: The weights are pickles, damaged, or do not fill the architecture; or it cannot be traced.
        MissingExtraError: transformers, safetensors or PyTorch is not installed.
    """
    config = check_folder(folder)
    torch = require("torch", extra="huggingface", need="capturing a Hugging Face folder")
    require("safetensors", extra="huggingface", need="capturing a Hugging Face folder")
    transformers = require("transformers", extra="huggingface", need="capturing a Hugging Face folder")
    with quiet(transformers):
        model = _load(transformers, folder, config)
        inputs = _example(model)
        module, names = _plain(torch, model, inputs)
        lengths = {name: {1: LENGTH} for name in inputs if name in _TEXT}
        graph = capture(module, inputs, output_names=names, dynamic=lengths)
    return _annotated(graph)


def check_folder(folder: Path) -> dict[str, Any]:
    """Return the config.json of a folder whose weights can be read without running code.

    Raises:
        NotFoundError: The folder, its config.json or its weights are missing.
        InputError: The configuration is damaged or names no architecture, or the weights are pickles.
    """
    config = _config(folder)
    _check_weights(folder)
    return config


@contextlib.contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Keep transformers' advice and progress bars out of the user's terminal."""
    logging = transformers.utils.logging
    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise NotFoundError(
            f"{folder}: no such folder", hint="give a folder with config.json and *.safetensors"
        )
    path = folder / "config.json"
    if not path.is_file():
        raise NotFoundError(f"{folder}: holds no config.json", hint="it is written by save_pretrained")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON: {error}") from error
    if not isinstance(config, dict) or not config.get("architectures"):
        raise InputError(f"{path}: names no architecture", hint="save the model with save_pretrained")
    return config


def _check_weights(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise InputError(
            f"{folder}: its weights are a pickle ({pickles[0]}), which could run any code when it is read",
            hint="save it as safetensors: model.save_pretrained(folder, safe_serialization=True)",
        )
    raise NotFoundError(f"{folder}: holds no *.safetensors", hint="they lie beside config.json")


def _load(transformers: Any, folder: Path, config: Mapping[str, Any]) -> Any:
    name = str(config["architectures"][0])
    kind = getattr(transformers, name, None)
    if not inspect.isclass(kind) or not hasattr(kind, "from_pretrained"):
        own = "; it has code of its own, which is not run" if config.get("auto_map") else ""
        raise UnsupportedOpError(
            f"{folder}: transformers {transformers.__version__} has no architecture {name!r}{own}",
            hint="export it to ONNX yourself, or use an architecture that transformers knows",
        )
    try:
        model, report = kind.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="eager",
            output_loading_info=True,
        )
    except Exception as error:  # each architecture checks its configuration in its own way
        raise InputError(f"{folder}: {name} cannot be loaded: {_first_line(error)}") from error
    if report["missing_keys"]:
        raise InputError(
            f"{folder}: the weights lack {sorted(report['missing_keys'])[0]!r}, which {name} needs",
            hint="the architecture in config.json is not the one that was saved",
        )
    if model.config.is_encoder_decoder or model.can_generate():
        raise UnsupportedOpError(
            f"{folder}: {name} generates token by token, which one graph cannot do",
            hint="capture encoders: text or image in, features or classes out",
        )
    return model.eval().float()


def _example(model: Any) -> dict[str, Array]:
    """Make up inputs: what they hold does not matter, their shapes do."""
    accepted = inspect.signature(model.forward).parameters
    config = model.config
    if "input_ids" in accepted:
        ids = np.ones((2, _EXAMPLE_LENGTH), np.int64)
        inputs = {"input_ids": ids, "attention_mask": ids.copy(), "token_type_ids": np.zeros_like(ids)}
        if getattr(config, "type_vocab_size", 0) < 2:  # one segment: there is nothing to tell
            del inputs["token_type_ids"]
        return {name: array for name, array in inputs.items() if name in accepted}
    if "pixel_values" in accepted:
        size = getattr(config, "image_size", 224)
        height, width = (size, size) if isinstance(size, int) else size
        return {"pixel_values": np.zeros((2, getattr(config, "num_channels", 3), height, width), np.float32)}
    raise UnsupportedOpError(
        f"{type(model).__name__} reads neither text nor images: {', '.join(accepted)}",
        hint="export it to ONNX yourself",
    )


def _plain(torch: Any, model: Any, inputs: Mapping[str, Array]) -> tuple[Any, list[str]]:
    """Wrap a model so that it takes its inputs by position and gives its tensors as a tuple; return their names."""
    fed = {name: torch.tensor(array) for name, array in inputs.items()}
    with torch.no_grad():
        answer = model(**fed, return_dict=True)
    names = [name for name, value in answer.items() if isinstance(value, torch.Tensor)]

    class Plain(torch.nn.Module):  # type: ignore[misc] # its base is known only when torch is there
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            given = self.model(**dict(zip(inputs, tensors, strict=True)), return_dict=True)
            return tuple(given[name] for name in names)

    return Plain(), names


def _annotated(graph: ComputeGraph) -> ComputeGraph:
    specs = (*graph.signature.inputs, *graph.signature.outputs)
    masked = (
        "attention_mask" in graph.signature.input_names
    )  # without a mask, padding would change the answer
    ragged = {spec.name: (1,) for spec in specs if masked and spec.shape[1:2] == (LENGTH,)}
    layouts = {spec.name: "NCHW" if spec.name == "pixel_values" else "BL" for spec in graph.signature.inputs}
    return graph.annotated(ragged=ragged, layouts=layouts)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
