"""First vectors of SID tokens: the words that tell of a code's items, or noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genrec.semantic_ids import Catalogue

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_matrix
    from transformers import PreTrainedTokenizerBase

_TERMS = 8
_WORDS = 50_000


def describe(
    catalogue: Catalogue, descriptions: Sequence[str], tokenizer: PreTrainedTokenizerBase, terms: int = _TERMS
) -> dict[int, list[int]]:
    """Return the ids of the tokens of the words that tell most of each code's items.

    The texts of a code's items are one document; its words are ranked by tf–idf among the codes of the same level.

    Args:
        catalogue: the items and their codes.
        descriptions: a text of each item.
        tokenizer: of the language model.
        terms: words of a code.

    Returns:
        token ids by the place of the code's token after the first SID token; nothing of codes without words.

    Raises:
        ValueError: if there is not one text an item.
    """
    if len(descriptions) != len(catalogue):
        raise ValueError(f"{len(descriptions)} descriptions were given of {len(catalogue)} items")
    counted = _count_words(descriptions)
    if counted is None:
        return {}
    words, counts = counted
    found, first = {}, 0
    for level, size in enumerate(catalogue.codebook_sizes):
        scores = _tf_idf(catalogue.codes[:, level], size, counts)
        for code in range(size):
            if ids := _token_ids(words[_best(scores, code, terms)], tokenizer):
                found[first + code] = ids
        first += size
    return found


def distribution(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean and the standard deviation of each coordinate of known vectors, float32 [width], on the CPU.

    Args:
        rows: [tokens, width].
    """
    known = rows.float()
    return known.mean(dim=0).cpu(), known.std(dim=0).cpu()


def _count_words(texts: Sequence[str]) -> tuple[npt.NDArray[np.str_], csr_matrix] | None:
    """Return the words, and which item has which, [items, words]; None if there is no word at all."""
    from sklearn.feature_extraction.text import CountVectorizer

    pattern = r"(?u)\b[^\W\d_][\w'-]+\b"
    counter = CountVectorizer(
        stop_words="english", token_pattern=pattern, lowercase=False, binary=True, max_features=_WORDS
    )
    try:
        counts = counter.fit_transform(texts)
    except ValueError:
        return None
    return counter.get_feature_names_out(), counts


def _tf_idf(codes: npt.NDArray[np.integer], size: int, counts: csr_matrix) -> csr_matrix:
    """Return the score of every word for every code of a level, [codes, words]."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfTransformer

    ones = np.ones(len(codes), dtype=np.float32)
    member = csr_matrix((ones, (codes, np.arange(len(codes)))), shape=(size, len(codes)))
    return TfidfTransformer().fit_transform(member @ counts).tocsr()


def _best(scores: csr_matrix, code: int, terms: int) -> npt.NDArray[np.int64]:
    start, stop = scores.indptr[code], scores.indptr[code + 1]
    # By score and then by word, so that ties do not hang on the order of the items.
    order = np.lexsort((scores.indices[start:stop], -scores.data[start:stop]))[:terms]
    return scores.indices[start:stop][order].astype(np.int64)


def _token_ids(words: npt.NDArray[np.str_], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of words as they stand inside a text, after a space."""
    return [int(token) for word in words for token in tokenizer(f" {word}", add_special_tokens=False)["input_ids"]]
