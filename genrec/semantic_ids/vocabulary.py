"""The vocabulary of SID tokens: one token for each code of each level, the levels in disjoint ranges."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
SPECIAL_TOKENS = (PAD, BOS, EOS)


@dataclass(frozen=True)
class SIDVocabulary:
    """Maps codes to token ids: code c of level l is token ``offsets[l] + c``, written ``<a_17>``.

    Args:
        codebook_sizes: the number of codes of each level.
        first: the id of the first SID token. The default leaves room for the special tokens of a model
            that knows nothing but items; a language model puts SID tokens after its own vocabulary.
    """

    codebook_sizes: tuple[int, ...]
    first: int = len(SPECIAL_TOKENS)

    pad_id = 0
    bos_id = 1
    eos_id = 2

    @property
    def levels(self) -> int:
        """The number of codes in an ID."""
        return len(self.codebook_sizes)

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """The token id of code 0 of each level, int64 [levels]."""
        return self.first + np.concatenate([[0], np.cumsum(self.codebook_sizes[:-1])]).astype(np.int64)

    @property
    def size(self) -> int:
        """One past the largest SID token id, which is the vocabulary size when ``first`` is the default."""
        return self.first + sum(self.codebook_sizes)

    def encode(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Return the token ids of codes [..., levels], of the same shape."""
        return codes.astype(np.int64) + self.offsets

    def decode(self, tokens: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """Return the codes of token ids [..., levels], of the same shape.

        Raises:
            ValueError: if a token does not belong to its level.
        """
        codes = np.asarray(tokens, dtype=np.int64) - self.offsets
        if ((codes < 0) | (codes >= np.asarray(self.codebook_sizes))).any():
            raise ValueError("a token lies outside the range of its level")
        return codes.astype(np.int32)

    def token(self, level: int, code: int) -> str:
        """Return the token's text, such as ``<a_17>``."""
        return f"<{level_letter(level)}_{code}>"

    def tokens(self) -> list[str]:
        """Return the text of every SID token in the order of their ids, from ``first`` on."""
        return [self.token(level, code) for level, size in enumerate(self.codebook_sizes) for code in range(size)]

    def text(self, codes: Sequence[int]) -> str:
        """Return one item's ID as text, such as ``<a_17><b_3><c_0>``."""
        return "".join(self.token(level, int(code)) for level, code in enumerate(codes))

    def to_tokenizer(self) -> PreTrainedTokenizerFast:
        """Return a Hugging Face tokenizer that reads and writes IDs as text, for a model that knows items only."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        words = [*SPECIAL_TOKENS, *self.tokens()]
        backend = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token=PAD))
        backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"<[a-z]+(?:_[0-9]+)?>"), behavior="isolated")
        backend.decoder = decoders.Fuse()
        return PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token=PAD, bos_token=BOS, eos_token=EOS, padding_side="left"
        )


def level_letter(level: int) -> str:
    """Return the letter of a level: a for the first."""
    return string.ascii_lowercase[level]
