"""Networks as transformers saves them."""

from pathlib import Path
from typing import Any

from burnish.errors import InputError
from burnish.graph.huggingface import check_folder, quiet
from burnish.plugins import require


def load_network(folder: Path, auto_class: str, *, fresh: tuple[str, ...] = (), **settings: Any) -> Any:
    """Load a network with its weights, in float32 and with attention whose heads can be told apart.

    Args:
        folder: config.json and safetensors.
        auto_class: Of transformers, such as ``AutoModel``.
        fresh: Beginnings of the names of weights that need not be there; they begin at random.
        settings: Handed on to ``from_pretrained``.

    Raises:
        NotFoundError: The folder, its config.json or its weights are missing.
        InputError: The weights cannot be read, or lack others than the fresh ones.
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
    missing = sorted(key for key in report["missing_keys"] if not key.startswith(fresh))
    if missing:
        raise InputError(
            f"{folder}: the weights lack {missing[0]!r}",
            hint="the architecture in config.json is not the one that was saved",
        )
    return network.float()
