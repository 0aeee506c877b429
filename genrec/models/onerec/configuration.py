"""Hugging Face configurations of the OneRec family: the shape, and what of the catalogue the weights depend on."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from transformers import PretrainedConfig


class HistoryModelConfig(PretrainedConfig):
    """What both models share.

    Args:
        codebook_sizes: the number of codes of each level.
        items: rows of the table of item vectors; 0 for none.
        feature_names: what else is read of every event.
        feature_sizes: the number of values of each feature, "unknown" (0) counted.
        history_length: events of a history, at most.
        session_length: items that are generated together (m); 1 is point-wise.
        shape: the fields of :class:`~genrec.models.onerec.config.EncoderDecoderConfig` or
            :class:`~genrec.models.onerec.config.LazyDecoderConfig` as plain data.
        dropout: on embeddings and on what every block adds, in training.
        initializer_range: the standard deviation of new weights; tables of models that begin items with the newest
            event are drawn at length 1.
    """

    is_encoder_decoder: bool = True
    codebook_sizes: list[int] = field(default_factory=lambda: [256, 256, 256])
    items: int = 0
    feature_names: list[str] = field(default_factory=list)
    feature_sizes: list[int] = field(default_factory=list)
    history_length: int = 50
    session_length: int = 1
    shape: dict[str, Any] = field(default_factory=dict)
    dropout: float = 0.0
    initializer_range: float = 0.02


class OneRecConfig(HistoryModelConfig):
    """Configuration of :class:`~genrec.models.onerec.encoder_decoder.OneRecModel`."""

    model_type = "onerec"


class OneRecLazyConfig(HistoryModelConfig):
    """Configuration of :class:`~genrec.models.onerec.lazy_decoder.OneRecLazyModel`."""

    model_type = "onerec_lazy"
