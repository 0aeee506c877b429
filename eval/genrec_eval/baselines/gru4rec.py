"""GRU4Rec: a recurrent network over items."""

from __future__ import annotations

from torch import Tensor, nn

from genrec.models.sasrec.next_item import NextItemModel
from genrec_eval.baselines.next_item import NextItemBaseline
from genrec_eval.baselines.settings import Gru4recConfig


class Gru4recModel(NextItemModel):
    """Gated recurrent units over item embeddings, which are the output layer too.

    Args:
        items: the number of items.
        config: width and depth.
    """

    def __init__(self, items: int, config: Gru4recConfig) -> None:
        super().__init__(items, config)
        width = config.embedding_size
        between = config.dropout if config.layers > 1 else 0.0
        self.gru = nn.GRU(width, width, config.layers, batch_first=True, dropout=between)
        self.project = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, sequences: Tensor) -> Tensor:
        """Return the states; see :meth:`NextItemModel.forward`."""
        states, _ = self.gru(self.dropout(self.embedding(sequences)))
        return self.norm(self.project(self.dropout(states)))


class Gru4rec(NextItemBaseline[Gru4recConfig]):
    """GRU4Rec (Hidasi et al., 2016), trained here like SASRec: full cross-entropy at every place of every window.

    The paper trains on session-parallel batches with a ranking loss on sampled items; the network is what is
    compared here, not that loss.
    """

    name = "gru4rec"

    def build(self, items: int) -> Gru4recModel:
        """Return the network, untrained."""
        return Gru4recModel(items, self.config)
