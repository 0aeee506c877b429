"""Long texts: cut into passages that fit a sentence encoder, whose vectors are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedTokenizerBase


def encode_passages(model: SentenceTransformer, texts: Sequence[str], batch_size: int) -> npt.NDArray[np.float32]:
    """Return float32 [texts, dim]: the mean over each text's passages of at most the model's input length."""
    parts = [passages(text, model.tokenizer, int(model.max_seq_length or 512)) for text in texts]
    encoded = model.encode([part for own in parts for part in own], batch_size=batch_size, show_progress_bar=False)
    counts = np.array([len(own) for own in parts])
    starts = np.cumsum(counts) - counts
    return np.add.reduceat(np.asarray(encoded, dtype=np.float32), starts, axis=0) / counts[:, None]


def passages(text: str, tokenizer: PreTrainedTokenizerBase, most: int) -> list[str]:
    """Return ``text`` in consecutive parts of at most ``most`` tokens, special ones included, cut between words.

    A word longer than that is cut inside; blanks at a part's ends are left out.
    """
    room = max(1, most - tokenizer.num_special_tokens_to_add())
    if len(text.encode()) < room:
        return [text]  # no token is shorter than a byte; some tokenizers put one more in front
    spans = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    found, first = [], 0
    while len(spans) - first > room:
        last = first + room
        while last > first + 1 and not _begins_word(text, spans[last][0]):
            last -= 1
        if last == first + 1 and not _begins_word(text, spans[last][0]):
            last = first + room
        found.append(text[spans[first][0] : spans[last][0]].strip())
        first = last
    return [*found, text[spans[first][0] :].strip()]


def _begins_word(text: str, at: int) -> bool:
    """Say whether a token that starts at ``at`` starts a word; some tokenizers count the blank before it in."""
    return text[at].isspace() or text[at - 1].isspace()
