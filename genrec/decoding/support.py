"""Which Hugging Face models the tree search can run on, and what it has to know of them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from transformers.cache_utils import DynamicCache, DynamicLayer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

_UNBOUNDED = 2**31 - 1
_ATTENTION = ("sdpa", "eager")


def check_model(model: PreTrainedModel) -> None:
    """Check that a model's beams can be run as one sequence under a 4-D mask.

    It must be decoder-only, take position ids, attend to the whole past in every layer through a cache that
    merely grows, and use an attention implementation that accepts 4-D masks.

    Raises:
        ValueError: with everything that stands against it.
    """
    problems = []
    config = _text_config(model)
    if model.config.is_encoder_decoder:
        problems.append("it is an encoder-decoder")
    elif _other_layers(config):
        problems.append(f"its cache has layers other than a growing one: {', '.join(_other_layers(config))}")
    if not {"position_ids", "past_key_values", "logits_to_keep"} <= _arguments(model) or getattr(
        config, "alibi", False
    ):
        problems.append(
            "it takes no position_ids, past_key_values or logits_to_keep, or derives positions by itself"
        )
    if config._attn_implementation not in _ATTENTION:
        problems.append(
            f"its attention is {config._attn_implementation!r}, which takes no 4-D mask; load it with"
            f" attn_implementation='sdpa'"
        )
    if problems:
        raise ValueError(f"{type(model).__name__} cannot be searched by tree attention: {'; '.join(problems)}")


def additive_masks(model: PreTrainedModel) -> bool:
    """Say whether the model adds its mask to the scores, in place of a boolean one."""
    return _text_config(model)._attn_implementation == "eager"


def positions_of(model: PreTrainedModel) -> int:
    """Return how many positions the model has."""
    return getattr(_text_config(model), "max_position_embeddings", None) or _UNBOUNDED


def vocabulary_size_of(model: PreTrainedModel) -> int:
    """Return the number of tokens the model scores."""
    return int(model.get_output_embeddings().weight.shape[0])


def _text_config(model: PreTrainedModel) -> PretrainedConfig:
    return model.config.get_text_config(decoder=True)


def _other_layers(config: PretrainedConfig) -> list[str]:
    kinds = {type(layer) for layer in DynamicCache(config=config).layers}
    return sorted(kind.__name__ for kind in kinds if kind is not DynamicLayer)


def _arguments(model: PreTrainedModel) -> set[str]:
    # A PEFT wrapper passes everything on, so that only the model inside tells what it takes.
    unwrap: Any = getattr(model, "get_base_model", None)
    inner = unwrap() if unwrap else model
    return set(inspect.signature(inner.forward).parameters)
