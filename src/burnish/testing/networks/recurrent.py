"""Recurrent networks."""

from torch import Tensor, nn


class Tagger(nn.Module):
    """A bidirectional LSTM that scores tags for each token (Huang et al., 2015, without its random field).

    Args:
        layers: Of the LSTM.
        hidden: Width of a token, and of each direction's state.
        vocabulary: Number of token ids.
        tags: Scored for each token.
    """

    def __init__(self, layers: int = 1, hidden: int = 256, vocabulary: int = 8192, tags: int = 17) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, hidden)
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, tags)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the scores, [batch, tokens, tags]."""
        scores: Tensor = self.head(self.lstm(self.words(tokens))[0])
        return scores
