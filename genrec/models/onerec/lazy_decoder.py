"""OneRec-V2's lazy decoder (arXiv:2508.20900): the history becomes keys that are values too, once for all layers.

Its layers have no projections of keys and values for the history: that is projected once, and a layer adds queries,
the attention itself and one output projection for each token. The losses of an item's codes are averaged.
"""

from __future__ import annotations

from torch import nn
from transformers import AutoConfig, AutoModel

from genrec.models.onerec.base import OneRecBase, shape_of
from genrec.models.onerec.config import LazyDecoderConfig
from genrec.models.onerec.configuration import OneRecLazyConfig
from genrec.models.onerec.decoder import DecoderLayer
from genrec.models.onerec.encoder import Encoder, SharedMemory


class OneRecLazyModel(OneRecBase):
    """The lazy decoder.

    Args:
        config: its ``shape`` holds the fields of :class:`~genrec.models.onerec.config.LazyDecoderConfig`.
    """

    config_class = OneRecLazyConfig
    averages_codes = True

    def __init__(self, config: OneRecLazyConfig) -> None:
        shape: LazyDecoderConfig = shape_of(config, LazyDecoderConfig)
        super().__init__(config, shape)
        width, inner, heads = shape.hidden_size, shape.intermediate_size, shape.heads
        self.encoder = Encoder(config, width, inner, heads, shape.context_layers, causal=True)
        self.memory = SharedMemory(
            width, width // heads, shape.key_value_heads, shape.key_value_layers, shape.separate_values
        )
        self.layers = nn.ModuleList(
            DecoderLayer(
                config,
                hidden_size=width,
                intermediate_size=inner,
                heads=heads,
                key_value_heads=shape.key_value_heads,
                layer=layer,
                memory_set=layer * shape.key_value_layers // shape.layers,
                cross_first=True,
                moe=shape.moe,
            )
            for layer in range(shape.layers)
        )
        if not shape.context_layers:
            self._no_split_modules = ["DecoderLayer"]  # FSDP refuses the name of a block that is not there
        self.post_init()


AutoConfig.register(OneRecLazyConfig.model_type, OneRecLazyConfig, exist_ok=True)
AutoModel.register(OneRecLazyConfig, OneRecLazyModel, exist_ok=True)
