"""OneRec: an encoder over the history and a decoder with cross-attention in every layer.

Session-wise it is arXiv:2502.18965 (``session_length`` items, BOS before each), point-wise the technical report's
(arXiv:2506.13695). Both add up the losses of an item's codes.
"""

from __future__ import annotations

from torch import nn
from transformers import AutoConfig, AutoModel

from genrec.models.onerec.base import OneRecBase, shape_of
from genrec.models.onerec.config import EncoderDecoderConfig
from genrec.models.onerec.configuration import OneRecConfig
from genrec.models.onerec.decoder import DecoderLayer
from genrec.models.onerec.encoder import Encoder, ProjectedMemory


class OneRecModel(OneRecBase):
    """The encoder-decoder.

    Args:
        config: its ``shape`` holds the fields of :class:`~genrec.models.onerec.config.EncoderDecoderConfig`.
    """

    config_class = OneRecConfig
    averages_codes = False

    def __init__(self, config: OneRecConfig) -> None:
        shape: EncoderDecoderConfig = shape_of(config, EncoderDecoderConfig)
        super().__init__(config, shape)
        width, inner, heads = shape.hidden_size, shape.intermediate_size, shape.heads
        experts = shape.moe if shape.encoder_moe else None
        self.encoder = Encoder(config, width, inner, heads, shape.encoder_layers, shape.causal_encoder, experts)
        self.memory = ProjectedMemory(width, heads, shape.decoder_layers)
        self.layers = nn.ModuleList(
            DecoderLayer(
                config,
                hidden_size=width,
                intermediate_size=inner,
                heads=heads,
                key_value_heads=heads,
                layer=layer,
                memory_set=layer,
                cross_first=False,
                moe=shape.moe,
            )
            for layer in range(shape.decoder_layers)
        )
        self.post_init()


AutoConfig.register(OneRecConfig.model_type, OneRecConfig, exist_ok=True)
AutoModel.register(OneRecConfig, OneRecModel, exist_ok=True)
