"""A small decoder-only language model whose only words are SID tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from genrec.config import Section
from genrec.semantic_ids import SIDVocabulary

if TYPE_CHECKING:
    from transformers import Qwen3ForCausalLM


class DecoderConfig(Section):
    """The shape of the decoder (Qwen3: pre-norm, RMSNorm, SwiGLU, rotary, normalised queries and keys)."""

    kind: Literal["decoder"] = "decoder"
    hidden_size: PositiveInt = Field(64, description="Width of the residual stream.")
    intermediate_size: PositiveInt = Field(256, description="Width inside the feed-forward blocks.")
    layers: PositiveInt = Field(2, description="Number of transformer blocks.")
    heads: PositiveInt = Field(2, description="Attention heads; must divide hidden_size.")
    tie_embeddings: bool = Field(True, description="Use one matrix for reading and for writing tokens.")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> DecoderConfig:
        if self.hidden_size % self.heads or (self.hidden_size // self.heads) % 2:
            raise ValueError(f"hidden_size {self.hidden_size} must be heads {self.heads} times an even number")
        return self


def build_decoder(config: DecoderConfig, vocabulary: SIDVocabulary, max_tokens: int) -> Qwen3ForCausalLM:
    """Return a randomly initialised Qwen3 decoder over special tokens and SID tokens.

    Args:
        config: its shape.
        vocabulary: the SID tokens.
        max_tokens: the longest sequence it must take, prompt and generated item together.
    """
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    special: dict[str, Any] = {
        "pad_token_id": vocabulary.pad_id,
        "bos_token_id": vocabulary.bos_id,
        "eos_token_id": vocabulary.eos_id,
    }
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=vocabulary.size,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            head_dim=config.hidden_size // config.heads,
            max_position_embeddings=max_tokens,
            tie_word_embeddings=config.tie_embeddings,
            **special,
        )
    )
    model.generation_config = GenerationConfig(**special)
    return model
