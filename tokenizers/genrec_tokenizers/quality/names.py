"""Readable names of codes, for people who look at IDs: the words that its items have and others lack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec_tokenizers.collisions import groups_of

_SAMPLE = 100_000
_WORDS = 50_000


def code_names(
    codes: npt.NDArray[np.integer], texts: Sequence[str], terms: int = 3, seed: int = 0
) -> dict[tuple[int, ...], list[str]]:
    """Return the telling words of each prefix.

    A word's score is the share of the prefix's items that have it, times log(items / items that have it): tf–idf
    with a prefix in the place of a document. A word that only one of several items has does not speak for them;
    English stop words and bare numbers do not count.

    Args:
        codes: [items, levels]; the first level alone names its codes, two columns name pairs, and so on.
        texts: one an item, as :func:`genrec_tokenizers.encoders.text.item_texts` gives them.
        terms: words of a name.
        seed: of the draw of items, where there are more than 100,000.

    Returns:
        up to ``terms`` words by prefix, the most telling first; none for prefixes without any word.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    rows = np.sort(np.random.default_rng(seed).permutation(len(codes))[:_SAMPLE])
    chosen = [texts[row] for row in rows]
    counter = CountVectorizer(
        stop_words="english", token_pattern=r"(?u)\b[^\W\d_][\w'-]+\b", binary=True, max_features=_WORDS
    )
    try:
        has = counter.fit_transform(chosen)
    except ValueError:  # not a single word
        return {}
    words = counter.get_feature_names_out()
    groups = groups_of(codes[rows])
    member = _membership(groups.of_item, len(groups.sizes))
    telling = np.log(len(rows) / np.asarray(has.sum(axis=0)).ravel())
    counts = (member @ has).tocsr()
    counts.data[(counts.data < 2) & (np.repeat(groups.sizes, np.diff(counts.indptr)) > 1)] = 0
    shares = counts.multiply(1 / groups.sizes[:, None]).multiply(telling[None, :]).tocsr()
    first = np.unique(groups.of_item, return_index=True)[1]
    names = {}
    for group, row in enumerate(rows[first]):
        scores = shares[[group]].tocoo()
        best = sorted(zip(-scores.data, words[scores.col], strict=True))[:terms]
        if best:
            names[tuple(codes[row].tolist())] = [str(word) for score, word in best if score < 0]
    return names


def _membership(of_item: npt.NDArray[np.int64], groups: int) -> object:
    """Return the sparse 0/1 matrix [groups, items] of who is in which group."""
    from scipy import sparse

    ones = np.ones(len(of_item), dtype=np.float32)
    return sparse.csr_matrix((ones, (of_item, np.arange(len(of_item)))), shape=(groups, len(of_item)))
