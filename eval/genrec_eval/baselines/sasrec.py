"""SASRec as a baseline, with full cross-entropy and with the loss it was published with."""

from __future__ import annotations

from genrec.models.sasrec.network import SasrecModel
from genrec_eval.baselines.next_item import NextItemBaseline
from genrec_eval.baselines.settings import SasrecConfig


class Sasrec(NextItemBaseline[SasrecConfig]):
    """Self-attentive sequential recommendation (Kang and McAuley, 2018) with full cross-entropy.

    The loss is the softmax over all items at every place (as Klenitskiy and Vasilev, 2023, and Petrov and
    Macdonald, 2023, show, the published loss on one negative is what made SASRec look weak).

    Args:
        config: its settings.
        exclude_seen: whether items of the history are left out when it decides when to stop.
    """

    name = "sasrec"

    def __init__(self, config: SasrecConfig | None = None, exclude_seen: bool = True) -> None:
        super().__init__(config or SasrecConfig(), exclude_seen)

    def build(self, items: int) -> SasrecModel:
        """Return the network, untrained."""
        return SasrecModel(items, self.config)


class SasrecBce(Sasrec):
    """The same network with the published loss: binary cross-entropy against one item drawn evenly."""

    name = "sasrec_bce"
