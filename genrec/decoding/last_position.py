"""Spare the last layer the positions that nobody reads.

A prefill needs keys and values of every position, but the logits of the last one only. In the last layer the
feed-forward block of all other positions is computed for nothing: most of that layer, which is a third of a
two-layer decoder and still 3 % of one with 28.

Inside :func:`last_position_only` a hook hands the last layer's feed-forward block its last position alone. What
it returns, [batch, 1, hidden], is added to the residual [batch, length, hidden] by broadcasting: right at the
last position, meaningless at the others, whose keys and values were taken before.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Families whose last layer is known to bear it: each is compared with ``generate`` in the tests.
FAMILIES = frozenset(
    {
        "gemma",
        "gpt2",
        "gpt_neox",
        "granite",
        "llama",
        "mistral",
        "olmo2",
        "phi",
        "phi3",
        "qwen2",
        "qwen3",
        "smollm3",
    }
)

# The hook stays on the model and does nothing outside the block, so that a model shared by threads is never
# changed while one of them runs it.
_here = threading.local()


@contextmanager
def last_position_only() -> Iterator[None]:
    """Make the models given to :func:`prepare` compute the last position's output only, in this thread."""
    _here.active = True
    try:
        yield
    finally:
        _here.active = False


def prepare(model: PreTrainedModel) -> bool:
    """Put the hook on a model of a known family; say whether it is one."""
    if model.config.model_type not in FAMILIES:
        return False
    decoder: Any = model.get_decoder()
    block = (decoder.h if hasattr(decoder, "h") else decoder.layers)[-1].mlp
    if _only_last not in block._forward_pre_hooks.values():
        block.register_forward_pre_hook(_only_last)
    return True


def unhooked(part: torch.nn.Module) -> bool:
    """Say whether a part of a model has no hooks but the one of :func:`prepare`."""
    return not part._forward_hooks and set(part._forward_pre_hooks.values()) <= {_only_last}


def _only_last(_block: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
    return (inputs[0][:, -1:], *inputs[1:]) if getattr(_here, "active", False) else None
