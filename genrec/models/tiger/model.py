"""TIGER's T5 as a model that writes items: transformers' blocks, run here where beams share a history.

T5 adds to the attention scores what it learned of the distance between two tokens. transformers counts distances
along the sequence; the beams of a search are tokens of one sequence too, so there they are told by position.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel
from transformers import T5Config as StackConfig
from transformers.cache_utils import Cache
from transformers.models.t5.modeling_t5 import T5Attention, T5Stack

from genrec.models.histories import HistoryBatch
from genrec.models.history_model import HistoryModel, decoder_tokens
from genrec.models.onerec.configuration import HistoryModelConfig
from genrec.models.onerec.embedding import CodeEmbedding
from genrec.models.tiger.config import T5Config


class TigerConfig(HistoryModelConfig):
    """Configuration of :class:`TigerModel`; ``shape`` has the fields of ``genrec.models.tiger.config.T5Config``."""

    model_type = "genrec_tiger"


@dataclass
class History:
    """A batch of histories, read once and shared by all beams of a prompt.

    Args:
        states: [batch, 1 + events · levels, hidden].
        mask: bool [batch, 1 + events · levels], False on padding. The first is always there.
        pairs: keys and values of each decoder block, [batch, heads, 1 + events · levels, head size]; made when a
            search begins.
    """

    states: Tensor
    mask: Tensor
    pairs: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class TigerModel(HistoryModel):
    """T5 over the codes of a history.

    Before the history's codes stands token 0, where TIGER has the user: an empty history is that token alone.

    Args:
        config: its ``shape`` holds the fields of :class:`~genrec.models.tiger.config.T5Config`.
    """

    config_class = TigerConfig
    _no_split_modules = ["T5Block"]  # noqa: RUF012 (transformers' own form)

    def __init__(self, config: TigerConfig) -> None:
        super().__init__(config)
        shape = T5Config.model_validate(config.shape)
        self.codes = CodeEmbedding(config.codebook_sizes, shape.hidden_size)
        self.encoder, self.decoder = (_stack(config, shape, is_decoder) for is_decoder in (False, True))
        self.head = nn.Linear(shape.hidden_size, sum(config.codebook_sizes), bias=False)
        self.post_init()

    def encode(self, history: HistoryBatch) -> History:
        """Return what the encoder makes of histories."""
        tokens = functional.pad((history.codes + self.codes.first).flatten(1), (1, 0))
        mask = functional.pad(history.mask.repeat_interleave(history.codes.shape[2], dim=1), (1, 0), value=True)
        states = self.encoder(inputs_embeds=self.codes(tokens), attention_mask=mask).last_hidden_state
        return History(states, mask)

    def decode_targets(self, memory: History, target_codes: Tensor, visible: Tensor | None) -> Tensor:
        """Return the states that predict each code; see :meth:`HistoryModel.decode_targets`."""
        assert visible is None, "the encoder reads a history as a whole"
        batch, tasks, items, levels = target_codes.shape
        tokens = decoder_tokens(target_codes, self.codes.first).flatten(0, 1)
        states, mask = (part.repeat_interleave(tasks, dim=0) for part in (memory.states, memory.mask))
        states = self.decoder(
            inputs_embeds=self.codes(tokens), encoder_hidden_states=states, encoder_attention_mask=mask
        ).last_hidden_state
        states = functional.pad(states, (0, 0, 0, 1))
        return states.view(batch, tasks, items, levels + 1, -1)[..., :levels, :]

    def decode(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        attention_mask: Tensor,
        memory: History,
        cache: Cache,
    ) -> Tensor:
        """Return the states of tokens; see :meth:`HistoryModel.decode`."""
        if not memory.pairs:
            crossings = (block.layer[1].EncDecAttention for block in self.decoder.block)
            memory.pairs = [_keys_and_values(attention, memory.states) for attention in crossings]
        bias, seen = self._bias(position_ids, attention_mask, cache), memory.mask[:, None, None]
        states = self.codes(input_ids)
        for at, block in enumerate(self.decoder.block):
            own, crossing, wide = block.layer
            entered = own.layer_norm(states)
            pair = cache.update(*_keys_and_values(own.SelfAttention, entered), at)
            states = states + _attended(own.SelfAttention, entered, *pair, bias)
            entered = crossing.layer_norm(states)
            states = states + _attended(crossing.EncDecAttention, entered, *memory.pairs[at], seen)
            states = wide(states)
        return self.decoder.final_layer_norm(states)

    def logits(self, states: Tensor, level: int) -> Tensor:
        """Return the scores of a level's codes, [..., codes]."""
        first = sum(self.config.codebook_sizes[:level])
        return functional.linear(states, self.head.weight[first : first + self.config.codebook_sizes[level]])

    def _bias(self, position_ids: Tensor, attention_mask: Tensor, cache: Cache) -> Tensor:
        """Return what is added to the scores, [batch, heads, tokens, past + tokens]; -inf where nothing is seen."""
        attention = self.decoder.block[0].layer[0].SelfAttention
        # The positions of the keys lie in the cache behind the blocks' own, since a search drops keys from it.
        here = position_ids[:, None, :, None]
        places, _ = cache.update(here, here, len(self.decoder.block))
        buckets = attention._relative_position_bucket(
            places[:, 0, :, 0][:, None] - position_ids[..., None],
            bidirectional=False,
            num_buckets=attention.relative_attention_num_buckets,
            max_distance=attention.relative_attention_max_distance,
        )
        bias = attention.relative_attention_bias(buckets).permute(0, 3, 1, 2)
        return bias.masked_fill(~attention_mask[:, None], -torch.inf)

    def _init_weights(self, module: nn.Module) -> None:
        """Draw the table and the head as T5 does, which has one for both and scales what the decoder gives."""
        if isinstance(module, CodeEmbedding):
            nn.init.normal_(module.weight)
        elif module is self.head:
            nn.init.normal_(module.weight, std=module.in_features**-0.5)


def _stack(config: TigerConfig, shape: T5Config, is_decoder: bool) -> T5Stack:
    """Return T5's encoder or decoder, without a table of its own: both read vectors."""
    stack = T5Stack(
        StackConfig(
            vocab_size=1,
            d_model=shape.hidden_size,
            d_kv=shape.head_size,
            d_ff=shape.intermediate_size,
            num_layers=shape.layers,
            num_heads=shape.heads,
            dropout_rate=config.dropout,
            is_decoder=is_decoder,
            is_encoder_decoder=False,
            eos_token_id=None,
            use_cache=False,
        )
    )
    del stack.embed_tokens
    return stack


def _heads(attention: T5Attention, states: Tensor) -> Tensor:
    return states.unflatten(-1, (attention.n_heads, attention.key_value_proj_dim)).transpose(1, 2)


def _keys_and_values(attention: T5Attention, states: Tensor) -> tuple[Tensor, Tensor]:
    """Return both, [batch, heads, tokens, head size]."""
    return _heads(attention, attention.k(states)), _heads(attention, attention.v(states))


def _attended(attention: T5Attention, states: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Return what tokens find, [batch, tokens, hidden]; T5 does not scale the scores."""
    queries = _heads(attention, attention.q(states))
    found = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)
    return attention.o(found.transpose(1, 2).flatten(2))


AutoConfig.register(TigerConfig.model_type, TigerConfig, exist_ok=True)
AutoModel.register(TigerConfig, TigerModel, exist_ok=True)
