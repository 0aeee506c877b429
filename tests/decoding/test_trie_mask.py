"""The trie as a mask over the vocabulary says what a walk through the codes says."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decoding import Trie
from genrec.decoding.trie_mask import TrieMask
from genrec.semantic_ids.vocabulary import SIDVocabulary
from tests.decoding.worlds import random_codes


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 2**16))
def test_legal_tokens_are_the_continuations_of_the_prefix(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    vocabulary = SIDVocabulary(tuple(sizes))
    codes = random_codes(tuple(sizes), int(rng.integers(1, np.prod(sizes) + 1)), rng)
    tokens = vocabulary.encode(codes)
    mask = TrieMask(Trie.build(codes, sizes), vocabulary.offsets, torch.device("cpu"))
    sequences, wanted = [], []
    for _ in range(12):
        before = tokens[rng.integers(len(tokens), size=rng.integers(0, 3))].ravel().tolist()
        prefix = tokens[rng.integers(len(tokens)), : rng.integers(len(sizes) + 1)]
        legal = tokens[(tokens[:, : len(prefix)] == prefix).all(axis=1)]
        following = legal[:, len(prefix)] if len(prefix) < len(sizes) else tokens[:, 0]
        sequences.append([vocabulary.bos_id, *before, *prefix.tolist()])
        wanted.append(set(following.tolist()))
    scores = torch.randn(12, vocabulary.size + 2)
    masked = mask(scores, sequences)
    for row, legal in enumerate(wanted):
        assert set(masked[row].isfinite().nonzero().flatten().tolist()) == legal
        assert torch.equal(masked[row, sorted(legal)], scores[row, sorted(legal)])


def test_a_sequence_outside_the_catalogue_has_nothing_legal() -> None:
    codes = np.array([[0, 0, 0], [1, 1, 1]], dtype=np.int32)
    vocabulary = SIDVocabulary((2, 2, 2))  # tokens 3,4 5,6 7,8
    mask = TrieMask(Trie.build(codes, (2, 2, 2)), vocabulary.offsets, torch.device("cpu"))
    masked = mask(torch.zeros(4, 9), [[1, 3, 6], [5], [3, 3], [3, 5]])
    assert [row.isfinite().nonzero().flatten().tolist() for row in masked] == [[], [], [5], [7]]
