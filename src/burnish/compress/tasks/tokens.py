"""Texts as arrays of token ids, padded to one length that batches need not keep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import InputError, NotFoundError
from burnish.graph.huggingface import quiet
from burnish.graph.signature import Array
from burnish.plugins import require

IDS, MASK, SEGMENTS = "input_ids", "attention_mask", "token_type_ids"
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json")


class Tokenizer:
    """The tokenizer that lies in a model's folder.

    Args:
        folder: In Hugging Face's layout.
        max_length: Tokens of an example, those that the model adds included; longer texts are cut.

    Raises:
        NotFoundError: The folder holds no tokenizer.
        InputError: It cannot be read, or has no token for padding.
        MissingExtraError: transformers is not installed.
    """

    def __init__(self, folder: Path, *, max_length: int) -> None:
        if not any((folder / name).is_file() for name in _TOKENIZER_FILES):
            raise NotFoundError(
                f"{folder}: holds no tokenizer ({', '.join(_TOKENIZER_FILES)})",
                hint="save it beside the model: tokenizer.save_pretrained(folder)",
            )
        transformers: Any = require("transformers", extra="huggingface", need="reading text")
        try:
            with quiet(transformers):
                self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # each tokenizer checks its files in its own way
            raise InputError(f"{folder}: the tokenizer cannot be read: {error}") from error
        if self._tokenizer.pad_token_id is None:
            raise InputError(f"{folder}: the tokenizer has no token for padding", hint="set its pad_token")
        self._tokenizer.padding_side = "right"  # where `TextTask.trim` cuts it
        self._max_length = max_length

    def __call__(self, texts: Sequence[str], seconds: Sequence[str] | None = None) -> dict[str, Array]:
        """Return arrays_NL int64 for the model's arguments, padded to the longest that is allowed.

        Args:
            texts: One an example.
            seconds: The other text of each pair; None where examples are single texts. Pairs bring an input that
                tells the two apart.
        """
        if not texts:
            raise InputError("there is no text to read", hint="at least one is needed")
        encoded = self._tokenizer(
            list(texts),
            None if seconds is None else list(seconds),
            padding="max_length",
            truncation=True,
            max_length=self._max_length,
            return_token_type_ids=seconds is not None,
            return_tensors="np",
        )
        names = (IDS, MASK) if seconds is None else (IDS, MASK, SEGMENTS)
        return {name: np.asarray(encoded[name], np.int64) for name in names}
