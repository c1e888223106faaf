"""Networks as transformers saves them."""

from pathlib import Path
from typing import Any

from burnish.compress.tasks.goals import HeadLabels
from burnish.errors import InputError
from burnish.graph.huggingface import check_folder, quiet
from burnish.plugins import require

TEXT_HEAD, IMAGE_HEAD = "ForSequenceClassification", "ForImageClassification"
"""Ends of the names of architectures that tell classes of texts, and of images."""


def head_labels(folder: Path, head: str) -> HeadLabels | None:
    """Return what a saved classifier's outputs stand for; None where the folder holds a network without this head.

    Args:
        folder: config.json and safetensors.
        head: End of the architecture's name, `TEXT_HEAD` or `IMAGE_HEAD`.

    Raises:
        NotFoundError: The folder, its config.json or its weights are missing.
        InputError: The configuration is damaged.
    """
    config = check_folder(folder)
    if not str(config["architectures"][0]).endswith(head):
        return None
    told = config.get("id2label")
    if not isinstance(told, dict) or not all(str(number).isdecimal() for number in told):
        return None
    names = tuple(str(told[number]) for number in sorted(told, key=int))
    return HeadLabels(
        str(folder), names, are_told=any(name != f"LABEL_{place}" for place, name in enumerate(names))
    )


def load_network(folder: Path, auto_class: str, *, fresh: tuple[str, ...] = (), **settings: Any) -> Any:
    """Load a network with its weights, in float32 and with attention whose heads can be told apart.

    Args:
        folder: config.json and safetensors.
        auto_class: Of transformers, such as ``AutoModel``.
        fresh: Beginnings of the names of weights that need not be there, or may have another shape where the
            settings allow it; they begin at random.
        settings: Handed on to ``from_pretrained``.

    Raises:
        NotFoundError: The folder, its config.json or its weights are missing.
        InputError: The weights cannot be read, lack others than the fresh ones, or have them in another shape.
        MissingExtraError: transformers or safetensors is not installed.
    """
    check_folder(folder)
    require("safetensors", extra="huggingface", need="loading a Hugging Face folder")
    transformers: Any = require("transformers", extra="huggingface", need="loading a Hugging Face folder")
    try:
        with quiet(transformers):
            network, report = getattr(transformers, auto_class).from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                attn_implementation="eager",
                output_loading_info=True,
                **settings,
            )
    except Exception as error:  # each architecture checks its configuration in its own way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{folder}: the network cannot be loaded: {reason}") from error
    mismatched = sorted(key for key in report["mismatched_keys"] if not key[0].startswith(fresh))
    if mismatched:
        name, saved, wanted = mismatched[0]
        raise InputError(
            f"{folder}: the weight {name!r} is {list(saved)} but must be {list(wanted)}",
            hint="the architecture in config.json is not the one that was saved",
        )
    missing = sorted(key for key in report["missing_keys"] if not key.startswith(fresh))
    if missing:
        raise InputError(
            f"{folder}: the weights lack {missing[0]!r}",
            hint="the architecture in config.json is not the one that was saved",
        )
    return network.float()
