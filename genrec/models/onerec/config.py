"""Settings of the OneRec family. Light: nothing heavy is imported here.

Three published models, three shapes (OneRec, arXiv:2502.18965; its technical report, arXiv:2506.13695; OneRec-V2,
arXiv:2508.20900). What they share is read once: a history of items, each one vector.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from genrec.config import Section


class MoEConfig(Section):
    """Sparse experts in place of the decoder's feed-forward blocks."""

    experts: PositiveInt = Field(24, description="Experts of a block.")
    active: PositiveInt = Field(2, description="Experts that a token goes through.")
    intermediate_size: PositiveInt | None = Field(
        None, description="Width inside an expert; none: the dense block's width shared by the active experts."
    )
    shared: NonNegativeInt = Field(0, description="Experts that every token goes through besides.")
    dense_layers: NonNegativeInt = Field(0, description="First blocks that keep a dense feed-forward block.")
    bias_update: NonNegativeFloat = Field(
        0.0, description="Step of the loss-free balancing bias after every update; 0 leaves the load as it falls."
    )

    @model_validator(mode="after")
    def _active_are_experts(self) -> MoEConfig:
        if self.active > self.experts:
            raise ValueError(f"active ({self.active}) must not exceed experts ({self.experts})")
        return self


class CompressionConfig(Section):
    """KuaiFormer's history compression: old events in groups, each group one vector (arXiv:2411.10057)."""

    groups: tuple[tuple[PositiveInt, PositiveInt], ...] = Field(
        ((2, 64), (5, 16)), description="(groups, events in each), oldest first; newer events stay as they are."
    )

    @property
    def compressed(self) -> int:
        """How many of the oldest events are compressed."""
        return sum(count * size for count, size in self.groups)


class PathwaysConfig(Section):
    """The technical report's encoder input: profile, latest, liked and lifelong events, side by side."""

    profile: bool = Field(True, description="One vector for who the user is, from the dataset's user columns.")
    short: PositiveInt = Field(20, description="Latest events of any kind.")
    positive: PositiveInt = Field(256, description="Latest events with positive feedback.")
    positive_behaviors: tuple[str, ...] = Field((), description="Behaviors that are positive feedback.")
    positive_value: float | None = Field(None, description="Smallest value that is positive feedback.")
    lifelong: NonNegativeInt = Field(
        2000,
        description="Events read besides those of short and positive; of more, hierarchical k-means finds as many "
        "that stand for all. 0: no lifelong pathway.",
    )
    lifelong_queries: PositiveInt = Field(128, description="Vectors the representatives are read into.")
    lifelong_layers: PositiveInt = Field(2, description="Blocks of the lifelong reader.")


class HistoryConfig(Section):
    """How the events of a history become vectors."""

    item_embeddings: bool = Field(
        True, description="A vector of its own for every trained item, beside those of its codes."
    )
    item_dropout: float = Field(
        0.1, ge=0, lt=1, description="Share of events whose own vector is left out in training, as for new items."
    )
    features: tuple[str, ...] = Field(
        (), description="What else an event tells: behavior, value, gap, domain, or item:COLUMN of the catalogue."
    )
    compression: CompressionConfig | None = Field(None, description="Compress old events; none: keep all.")
    pathways: PathwaysConfig | None = Field(None, description="Several views of the history; none: one.")

    @model_validator(mode="after")
    def _one_way_to_read(self) -> HistoryConfig:
        if self.compression is not None and self.pathways is not None:
            raise ValueError("compression and pathways are two ways to read a history; choose one")
        return self


class _Shape(Section):
    hidden_size: PositiveInt = Field(128, description="Width of the residual stream.")
    intermediate_size: PositiveInt = Field(512, description="Width inside the feed-forward blocks.")
    heads: PositiveInt = Field(4, description="Attention heads; must divide hidden_size.")
    softmax: Literal["level", "catalogue"] = Field(
        "level",
        description="What a code competes with: all codes of its level, as in the papers, or those that the "
        "catalogue has after the codes before it.",
    )
    tie_embeddings: bool = Field(False, description="Use one matrix for reading and for writing a level's codes.")
    starts_from_history: bool = Field(
        False,
        description="Begin an item with what the encoder made of the newest event, added to BOS; the papers have "
        "BOS alone.",
    )
    item_head: bool = Field(
        False,
        description="Score items as wholes beside their codes, by a vector of their own; the search adds both.",
    )
    moe: MoEConfig | None = Field(None, description="Sparse experts in the decoder; none: dense blocks.")
    history: HistoryConfig = Field(default_factory=HistoryConfig, description="How events become vectors.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> _Shape:
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            raise ValueError(f"hidden_size {self.hidden_size} must be heads {self.heads} times an even number")
        return self

    @model_validator(mode="after")
    def _item_head_has_vectors(self) -> _Shape:
        if self.item_head and not self.history.item_embeddings:
            raise ValueError("item_head needs history.item_embeddings: the vectors it compares with")
        return self


class EncoderDecoderConfig(_Shape):
    """OneRec: an encoder over the history, a decoder that attends to it in every layer."""

    kind: Literal["encoder_decoder"] = "encoder_decoder"
    encoder_layers: PositiveInt = Field(2, description="Blocks over the history.")
    decoder_layers: PositiveInt = Field(2, description="Blocks over the codes of what is generated.")
    causal_encoder: bool = Field(
        False, description="Events see older ones only, so that every event of a window can be a target at once."
    )
    encoder_moe: bool = Field(False, description="Sparse experts, where moe has them, in the encoder as well.")

    @model_validator(mode="after")
    def _encoder_moe_has_experts(self) -> EncoderDecoderConfig:
        if self.encoder_moe and self.moe is None:
            raise ValueError("encoder_moe needs moe: how many experts, of what width")
        return self

    @model_validator(mode="after")
    def _whole_histories_are_read_both_ways(self) -> EncoderDecoderConfig:
        if self.causal_encoder and (self.history.compression is not None or self.history.pathways is not None):
            raise ValueError("history.compression and history.pathways need causal_encoder=false")
        return self


class LazyDecoderConfig(_Shape):
    """OneRec-V2: no encoder to speak of; decoder layers attend to keys and values made once from the history."""

    kind: Literal["lazy_decoder"] = "lazy_decoder"
    layers: PositiveInt = Field(2, description="Blocks over the codes of what is generated.")
    key_value_heads: PositiveInt = Field(1, description="Groups of heads that share keys and values (G_kv).")
    key_value_layers: PositiveInt = Field(1, description="Sets of keys and values that layers share (L_kv).")
    separate_values: bool = Field(False, description="Values of their own (S_kv = 2), or the keys.")
    context_layers: NonNegativeInt = Field(
        0, description="Causal blocks over the history before keys and values are made; the paper has none."
    )

    @model_validator(mode="after")
    def _groups_divide_heads(self) -> LazyDecoderConfig:
        if self.heads % self.key_value_heads:
            raise ValueError(f"key_value_heads ({self.key_value_heads}) must divide heads ({self.heads})")
        if self.key_value_layers > self.layers:
            raise ValueError(f"key_value_layers ({self.key_value_layers}) must not exceed layers ({self.layers})")
        return self
