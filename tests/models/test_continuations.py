"""The softmax over what the catalogue has after a prefix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decoding import Recommender
from genrec.decoding.trie import Trie
from genrec.models import build_generator
from genrec.models.continuations import Continuations, code_loss
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.semantic_ids import Catalogue

SIZES = (4, 3, 5)
CATALOGUES = st.sets(st.tuples(*(st.integers(0, size - 1) for size in SIZES)), min_size=1, max_size=30)
SHAPES = [
    EncoderDecoderConfig(hidden_size=16, intermediate_size=32, heads=2, causal_encoder=True, softmax="catalogue"),
    LazyDecoderConfig(hidden_size=16, intermediate_size=32, heads=2, context_layers=1, softmax="catalogue"),
]


def catalogue_of(codes: np.ndarray) -> Catalogue:
    names = [f"i{row}" for row in range(len(codes))]
    return Catalogue(names, codes.astype(np.int32), SIZES, names)


@given(CATALOGUES)
def test_what_may_follow_is_what_the_catalogue_has(ids: set[tuple[int, ...]]) -> None:
    codes = np.array(sorted(ids))
    masks = list(Continuations(Trie.build(codes, SIZES)).masks(torch.from_numpy(codes)))
    for row, sid in enumerate(codes.tolist()):
        for level, mask in enumerate(masks):
            expected = {other[level] for other in ids if list(other[:level]) == sid[:level]}
            assert set(mask[row].nonzero().flatten().tolist()) == expected


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.kind)
def test_probabilities_of_all_items_sum_to_one_in_training_and_in_the_search(shape: object) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    codes = np.unique(np.stack([rng.integers(0, size, 25) for size in SIZES], axis=1), axis=0)
    generator = build_generator(shape, catalogue_of(codes), history_length=4)  # type: ignore[arg-type]
    for weight in generator.model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    model = generator.model.eval()
    history = np.array([2, 0, 1])
    found = Recommender(generator).recommend([history], k=len(codes), beams=len(codes))
    scores = dict(zip(found.items[0].tolist(), found.scores[0].tolist(), strict=True))
    assert np.exp(found.scores[0]).sum() == pytest.approx(1, abs=1e-5)
    batch = generator.prompts([history])
    for item, sid in enumerate(codes):
        target = torch.from_numpy(sid)[None, None, None].long()
        with torch.no_grad():
            loss = model(batch.codes, batch.rows, batch.features, batch.mask, target).loss
        summed = loss * (len(SIZES) if model.averages_codes else 1)
        assert float(summed) == pytest.approx(-scores[item], abs=1e-4)


def test_training_without_the_catalogue_says_what_is_missing() -> None:
    generator = build_generator(SHAPES[1], catalogue_of(np.array([[0, 0, 0], [1, 1, 1]])), history_length=4)
    generator.model.continuations = None
    batch = generator.prompts([np.array([0])])
    with pytest.raises(ValueError, match=r"set model\.continuations"):
        generator.model(batch.codes, batch.rows, batch.features, batch.mask, torch.zeros(1, 1, 1, 3).long())


def test_labels_are_smoothed_over_what_may_follow() -> None:
    logits = torch.tensor([[1.0, 2.0, 9.0, 0.5]], requires_grad=True)
    legal = torch.tensor([[True, True, False, True]])
    loss = code_loss(logits, torch.tensor([1]), legal, 0.3)
    alone = torch.tensor([[1.0, 2.0, 0.5]])
    expected = torch.nn.functional.cross_entropy(alone, torch.tensor([1]), label_smoothing=0.3)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 2] == 0
