"""Networks that judge texts, from a folder in Hugging Face's layout."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from burnish.compress.tasks.saved_network import TEXT_HEAD, load_network
from burnish.errors import InputError
from burnish.graph.huggingface import check_folder

_NOTHING = -1e4
"""Added to a score; small enough for float16."""


def load_text_network(folder: Path, *, outputs: int, dropout: float = 0.1) -> nn.Module:
    """Load a network of token ids: with the head that lies in the folder, or a fresh one on the mean of the tokens.

    Args:
        folder: config.json and safetensors. A saved classifier (``...ForSequenceClassification``) keeps its head;
            what else is there is taken for an encoder.
        outputs: Logits of classes, or 1 for a value.
        dropout: Share of the features that a fresh head drops in training.

    Returns:
        A module whose forward takes input_ids_NL, attention_mask_NL and, for pairs, token_type_ids_NL.

    Raises:
        NotFoundError: The folder, its config.json or its weights are missing.
        InputError: The weights cannot be read, or the head gives another number of outputs.
        MissingExtraError: transformers or safetensors is not installed.
    """
    headed = str(check_folder(folder)["architectures"][0]).endswith(TEXT_HEAD)
    kind = "AutoModelForSequenceClassification" if headed else "AutoModel"
    network = load_network(folder, kind, fresh=() if headed else ("pooler.",))
    if not headed:
        return MeanClassifier(network, outputs=outputs, dropout=dropout)
    if network.config.num_labels != outputs:
        raise InputError(
            f"{folder}: its head gives {network.config.num_labels} outputs, the data want {outputs}",
            hint="take a classifier of the same labels, or the encoder without a head",
        )
    return SavedClassifier(network)


class SavedClassifier(nn.Module):
    """A saved classifier that takes its inputs by position and gives logits alone."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._mask_is_read_as_it_is = _reads_ready_mask(network)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return logits_NK."""
        mask = _additive(attention_mask) if self._mask_is_read_as_it_is else attention_mask
        logits: torch.Tensor = self.network(**_named(input_ids, mask, token_type_ids)).logits
        return logits


class MeanClassifier(nn.Module):
    """An encoder, the mean over its tokens, and a linear head.

    Args:
        encoder: Gives ``last_hidden_state``; its pooler is dropped, as nothing reads it.
        outputs: Width of the head.
        dropout: Share of the mean's features that are dropped in training.
    """

    def __init__(self, encoder: Any, *, outputs: int, dropout: float) -> None:
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        self.encoder = encoder
        self._mask_is_read_as_it_is = _reads_ready_mask(encoder)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, outputs)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return logits_NK."""
        mask = _additive(attention_mask) if self._mask_is_read_as_it_is else attention_mask
        hidden = self.encoder(**_named(input_ids, mask, token_type_ids)).last_hidden_state
        weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
        logits: torch.Tensor = self.head(self.dropout(mean))
        return logits


def _named(
    input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    given = {"input_ids": input_ids, "attention_mask": attention_mask}
    return given if token_type_ids is None else given | {"token_type_ids": token_type_ids}


def _additive(attention_mask: torch.Tensor) -> torch.Tensor:
    """Turn mask_NL of ones and zeros into what is added to scores_NHLL: nothing, or so little that exp gives 0."""
    return ((1.0 - attention_mask.float()) * _NOTHING)[:, None, None, :]


def _reads_ready_mask(network: Any) -> bool:
    """Tell whether a network takes an additive mask, which spares its graph some twenty nodes that make one."""
    ids = torch.ones((2, 3), dtype=torch.long)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    network.eval()
    try:
        with torch.no_grad():
            plain, ready = (
                network(input_ids=ids, attention_mask=m)[0][:, :1] for m in (mask, _additive(mask))
            )
    except Exception:  # each architecture refuses in its own way what it does not take
        return False
    return bool(torch.allclose(plain, ready, atol=1e-5))
