"""Fusion: units do not matter, weights do, and what is unknown counts as average."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.errors import ArtifactError, DataError
from genrec.models.contrast import symmetric_infonce
from genrec_tokenizers.config.fusion import ConcatenationConfig, ProjectionConfig, QFormerConfig
from genrec_tokenizers.encoders import BehaviorEncoder, ItemVectors
from genrec_tokenizers.fusion import Concatenation, load_fusion, make_fusion
from genrec_tokenizers.fusion.qformer import FusionQFormer
from tests.tokenizers.conftest import WriteDataset, item_titles, random_log


def source(rng: np.random.Generator, items: int = 30, dim: int = 5, unknown: int = 0) -> ItemVectors:
    vectors = rng.normal(3, 2, (items, dim)).astype(np.float32)
    known = np.arange(items) >= unknown
    vectors[~known] = 0
    return ItemVectors(vectors, known)


def fuse(sources: list[tuple[ItemVectors, float]], normalize: Literal["center", "whiten"] = "center") -> np.ndarray:
    return Concatenation([weight for _, weight in sources], normalize).fit_transform([one for one, _ in sources])


def normalized(given_source: ItemVectors, whiten: bool = False) -> np.ndarray:
    return fuse([(given_source, 1.0)], "whiten" if whiten else "center")


@given(st.integers(0, 1000), st.floats(0.01, 100), st.booleans())
def test_units_and_offsets_of_an_encoder_do_not_matter(seed: int, scale: float, whiten: bool) -> None:
    rng = np.random.default_rng(seed)
    given_vectors = source(rng)
    moved = ItemVectors((given_vectors.vectors * scale + 7).astype(np.float32), given_vectors.known)
    first, second = normalized(given_vectors, whiten), normalized(moved, whiten)
    # whitened axes are defined up to sign, so compare distances
    assert np.allclose(first @ first.T, second @ second.T, atol=5e-3)


def test_the_squared_distance_is_the_weighted_sum_over_sources(rng: np.random.Generator) -> None:
    text, behavior = source(rng, dim=7), source(rng, dim=3)
    fused = fuse([(text, 2.0), (behavior, 0.5)])
    assert fused.dtype == np.float32
    assert fused.shape == (30, 10)

    def squared(vectors: np.ndarray) -> float:
        return float(np.square(vectors[0] - vectors[1]).sum())

    expected = 4 * squared(normalized(text)) + 0.25 * squared(normalized(behavior))
    assert np.isclose(squared(fused), expected, rtol=1e-5)


def test_known_items_have_the_length_of_the_weight_and_unknown_ones_none(rng: np.random.Generator) -> None:
    lengths = np.linalg.norm(fuse([(source(rng, unknown=4), 3.0)]), axis=1)
    assert np.allclose(lengths[4:], 3, rtol=1e-5)
    assert not lengths[:4].any()


def test_unknown_items_do_not_move_the_mean(rng: np.random.Generator) -> None:
    whole = source(rng, unknown=6)
    only_known = ItemVectors(whole.vectors[6:], whole.known[6:])
    assert np.allclose(normalized(whole)[6:], normalized(only_known), atol=1e-6)


def test_whitening_gives_every_axis_the_same_say(rng: np.random.Generator) -> None:
    vectors = rng.normal(size=(4000, 4)).astype(np.float32) * np.array([100, 1, 1, 0], dtype=np.float32)
    wide = ItemVectors(vectors, np.ones(4000, dtype=bool))
    centred, white = normalized(wide), normalized(wide, whiten=True)
    assert np.square(centred).mean(axis=0).max() > 0.95
    spread = np.sort(np.square(white).mean(axis=0))
    assert np.allclose(spread, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.02)


def test_a_source_that_knows_nothing_or_one_thing_is_silent() -> None:
    nothing = ItemVectors(np.zeros((3, 2), dtype=np.float32), np.zeros(3, dtype=bool))
    same = ItemVectors(np.full((3, 2), 5, dtype=np.float32), np.ones(3, dtype=bool))
    assert not fuse([(nothing, 1.0), (same, 1.0)]).any()
    assert not fuse([(same, 1.0)], "whiten").any()


@pytest.mark.parametrize("normalize", ["center", "whiten"])
def test_later_items_are_seen_through_the_frozen_statistics(
    normalize: Literal["center", "whiten"], rng: np.random.Generator, tmp_path: Path
) -> None:
    sources = [source(rng, unknown=3), source(rng, dim=3)]
    fusion = Concatenation([2.0, 1.0], normalize)
    fused = fusion.fit_transform(sources)
    fusion.save_pretrained(tmp_path)
    later = [ItemVectors(one.vectors[10:14], one.known[10:14]) for one in sources]
    assert np.allclose(load_fusion(tmp_path).transform(later), fused[10:14], atol=1e-6)
    with pytest.raises(DataError, match=r"made from \[5, 3\]"):
        fusion.transform(later[::-1])


SMALL = {"dim": 8, "epochs": 8, "batch_size": 16, "learning_rate": 0.01}
TRAINED = [ProjectionConfig(**SMALL), QFormerConfig(**SMALL), QFormerConfig(**SMALL, cic=0.1, mixup=0.5, queries=3)]


@pytest.fixture
def dataset(write_dataset: WriteDataset, rng: np.random.Generator) -> Dataset:
    return write_dataset(random_log(rng, users=40), item_titles())


def content_and_behavior(dataset: Dataset, rng: np.random.Generator) -> list[ItemVectors]:
    """Content that says little of what is used together, and behaviour without its first four items."""
    behavior = BehaviorEncoder(dim=6).encode(dataset)
    behavior.vectors[:4], behavior.known[:4] = 0, False
    content = rng.normal(size=(40, 10)).astype(np.float32)
    content[20:, 0] += 2
    return [ItemVectors(content, np.arange(40) != 30), behavior]


@pytest.mark.parametrize("config", TRAINED, ids=["projection", "qformer", "every option"])
def test_a_trained_fusion_repeats_itself_and_goes_on_after_a_round_trip(
    config: ProjectionConfig, dataset: Dataset, rng: np.random.Generator, tmp_path: Path
) -> None:
    sources = content_and_behavior(dataset, rng)
    fusion = make_fusion(config, [1.0, 0.5], seed=3)
    fused = fusion.fit_transform(sources, dataset)
    assert fused.shape == (40, 8)
    assert fused.dtype == np.float32
    assert np.allclose(np.linalg.norm(fused, axis=1), 1, atol=1e-5)  # those without a source as well
    assert np.array_equal(fused, make_fusion(config, [1.0, 0.5], seed=3).fit_transform(sources, dataset))
    fusion.save_pretrained(tmp_path)
    again = load_fusion(tmp_path)
    later = [ItemVectors(one.vectors[2:9], one.known[2:9]) for one in sources]
    assert np.allclose(again.transform(later), fused[2:9], atol=1e-5)
    assert again.settings() == fusion.settings()
    with pytest.raises(DataError, match=r"made from \[10, 6\]"):
        again.transform(later[::-1])


@pytest.mark.parametrize("config", TRAINED[:2], ids=["projection", "qformer"])
def test_training_brings_held_out_pairs_nearer_and_says_so(
    config: ProjectionConfig, dataset: Dataset, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = content_and_behavior(dataset, rng)[:1]
    make_fusion(config, [1.0], seed=0).fit_transform(sources, dataset)
    told = " ".join(capsys.readouterr().err.split())
    found = re.search(r"from (0\.\d+) to (0\.\d+); plain concatenation has (0\.\d+)", told)
    assert found
    before, after, plain = map(float, found.groups())
    assert after > max(before, plain)


def test_a_q_former_reads_what_is_there_and_nothing_else() -> None:
    torch.manual_seed(0)
    network = FusionQFormer([5, 3], dim=8, queries=2, layers=2, dropout=0.5).eval()
    plain = torch.randn(4, 8)
    known = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    with torch.no_grad():
        fused = network(plain, known)
        changed = plain.clone()
        changed[1, 5:], changed[2, :5], changed[3] = 9, 9, 9  # what is hidden
        again = network(changed, known)
        changed[0] = 9
        other = network(changed, known)
    assert fused.shape == (4, 8)
    assert torch.isfinite(fused).all()
    torch.testing.assert_close(fused, again)
    assert not torch.allclose(fused[0], other[0])
    assert not torch.allclose(fused[1], fused[3])


def test_the_loss_reaches_every_part_of_the_q_former() -> None:
    torch.manual_seed(0)
    network = FusionQFormer([5, 3], dim=8, queries=2, layers=2, dropout=0.0)
    plain, known = torch.randn(6, 8), torch.ones(6, 2, dtype=torch.bool)
    symmetric_infonce(network(plain, known), network(plain + 0.1, known), 0.1).backward()
    silent = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


def test_every_kind_is_made_by_its_settings() -> None:
    kinds = {config.kind: make_fusion(config, [1.0], seed=0) for config in (ConcatenationConfig(), *TRAINED[:2])}
    assert {kind: type(fusion).kind for kind, fusion in kinds.items()} == {kind: kind for kind in kinds}


def test_weights_that_do_not_fit_are_refused(dataset: Dataset, rng: np.random.Generator, tmp_path: Path) -> None:
    fusion = make_fusion(TRAINED[0].model_copy(update={"epochs": 1}), [1.0], seed=0)
    fusion.fit_transform(content_and_behavior(dataset, rng)[:1], dataset)
    fusion.save_pretrained(tmp_path)
    settings = (tmp_path / "fusion.json").read_text()
    (tmp_path / "fusion.json").write_text(settings.replace('"dim": 8', '"dim": 12'))
    with pytest.raises(ArtifactError, match="no readable projection fusion"):
        load_fusion(tmp_path)
