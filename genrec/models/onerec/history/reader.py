"""What a model reads of the events of a history: fewer of them by compression, or several views."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genrec.errors import ConfigError
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.onerec.configuration import HistoryModelConfig
from genrec.models.onerec.history.compression import Compression
from genrec.models.onerec.history.pathways import Pathways


class HistoryReader(nn.Module):
    """Stands between the events' vectors and the blocks over them, and leaves the sink before them alone.

    Args:
        config: the model's configuration.
        shape: the model's shape, with ``history.pathways`` or ``history.compression``.

    Raises:
        ConfigError: if compression would leave no event as it is.
    """

    def __init__(self, config: HistoryModelConfig, shape: EncoderDecoderConfig | LazyDecoderConfig) -> None:
        super().__init__()
        history = shape.history
        self.pathways = Pathways(config, shape) if history.pathways is not None else None
        self.compression = _compression(config, shape) if history.compression is not None else None

    def forward(self, states: Tensor, mask: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return states [batch, 1 + vectors, hidden] and their mask, padded on the right.

        Args:
            states: [batch, 1 + events, hidden], the sink first.
            mask: bool [batch, 1 + events], False on padding, which is on the right.
            features: int64 [batch, events, features].
        """
        vectors, real = states[:, 1:], mask[:, 1:]
        if self.pathways is not None:
            vectors, real = self.pathways(vectors, real, features)
        if self.compression is not None:
            vectors, real = self.compression(vectors, real)
        return torch.cat([states[:, :1], vectors], dim=1), torch.cat([mask[:, :1], real], dim=1)


def build_reader(
    config: HistoryModelConfig, shape: EncoderDecoderConfig | LazyDecoderConfig
) -> HistoryReader | None:
    """Return what reads the events for the model; None: its blocks read all of them as they are."""
    plain = shape.history.pathways is None and shape.history.compression is None
    return None if plain else HistoryReader(config, shape)


def _compression(config: HistoryModelConfig, shape: EncoderDecoderConfig | LazyDecoderConfig) -> Compression:
    assert shape.history.compression is not None
    groups, compressed = shape.history.compression.groups, shape.history.compression.compressed
    raw = config.history_length - compressed
    if raw < 1:
        raise ConfigError(
            f"history.compression puts {compressed} events into groups, but a history has {config.history_length}.",
            "Raise history_length above that, or take fewer or smaller groups.",
        )
    return Compression(config, shape.hidden_size, shape.intermediate_size, shape.heads, groups, raw)
