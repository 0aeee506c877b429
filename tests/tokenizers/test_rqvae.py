"""RQ-VAE: what its codes mean, that training pays, LETTER's terms, and what every trained quantizer must keep."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import ArtifactError, DataError
from genrec_tokenizers.config.quantizers import RQVAEConfig
from genrec_tokenizers.quality import level_figures, reconstruction_errors
from genrec_tokenizers.quantizers import Quantizer, ResidualKMeans, load_quantizer, make_quantizer
from genrec_tokenizers.quantizers.fsq import FSQ
from genrec_tokenizers.quantizers.letter import LetterTerms, Partners, clusters_of, diversity
from genrec_tokenizers.quantizers.network import Perceptron
from genrec_tokenizers.quantizers.residual_kmeans_plus import ResidualKMeansPlus
from genrec_tokenizers.quantizers.residual_network import ResidualNetwork
from genrec_tokenizers.quantizers.rqvae import RQVAE

SMALL = {"hidden": (16,), "epochs": 5, "batch_size": 64, "learning_rate": 5e-3, "seed": 3}
KINDS = {"rqvae": RQVAE, "residual_kmeans_plus": ResidualKMeansPlus, "fsq": FSQ}


def curved(rng: np.random.Generator, items: int = 400, dim: int = 12) -> np.ndarray:
    """Vectors on a curved surface of three dimensions, far from the origin and not of unit scale."""
    hidden = rng.normal(size=(items, 3)) @ rng.normal(size=(3, dim))
    return (5 * np.tanh(hidden) + 20 + 0.1 * rng.normal(size=(items, dim))).astype(np.float32)


def small(kind: str, **options: object) -> Quantizer:
    return KINDS[kind](**{"codebook_sizes": (16, 8), **SMALL, **options})


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return curved(np.random.default_rng(0))


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest, vectors: np.ndarray) -> Quantizer:
    return small(request.param).fit(vectors)


def test_codes_are_in_range_and_those_of_fitting(fitted: Quantizer, vectors: np.ndarray) -> None:
    codes = fitted.encode(vectors)
    assert codes.dtype == np.int32
    assert codes.shape == (400, 2)
    assert ((codes >= 0) & (codes < fitted.codebook_sizes)).all()
    assert np.array_equal(small(fitted.kind).fit_encode(vectors), codes)


def test_another_seed_gives_other_codes(fitted: Quantizer, vectors: np.ndarray) -> None:
    assert not np.array_equal(small(fitted.kind, seed=4).fit_encode(vectors), fitted.encode(vectors))


def test_fitting_leaves_the_global_generator_alone(fitted: Quantizer, vectors: np.ndarray) -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    small(fitted.kind, epochs=1).fit(vectors)
    assert torch.rand(1) == expected


def test_the_codes_are_the_cheapest_ones(fitted: Quantizer, vectors: np.ndarray) -> None:
    codes = fitted.encode(vectors)
    for level in range(2):
        costs = fitted.costs(vectors, codes[:, :level])
        assert costs.shape == (400, fitted.codebook_sizes[level])
        assert costs.dtype == np.float32
        assert np.allclose(costs[np.arange(400), codes[:, level]], costs.min(axis=1), atol=1e-5)


def test_decoding_is_in_the_units_of_the_vectors(fitted: Quantizer, vectors: np.ndarray) -> None:
    codes = fitted.encode(vectors)
    decoded = fitted.decode(codes)
    assert decoded.dtype == np.float32
    assert decoded.shape == vectors.shape
    assert reconstruction_errors(fitted, vectors, codes)[-1] < 1
    assert fitted.decode(codes[:, :1]).shape == fitted.decode(codes[:, :0]).shape == vectors.shape
    assert abs(decoded.mean() - vectors.mean()) < 1


def test_moved_and_stretched_vectors_get_the_same_codes(fitted: Quantizer, vectors: np.ndarray) -> None:
    """By powers of two, so that rounding is the same too."""
    again = small(fitted.kind)
    assert np.array_equal(again.fit_encode(vectors * 1024), fitted.encode(vectors))


def test_another_process_gives_the_same_codes(vectors: np.ndarray, tmp_path: Path) -> None:
    fitted = {kind: small(kind).fit(vectors) for kind in KINDS}
    for kind, quantizer in fitted.items():
        quantizer.save_pretrained(tmp_path / kind)
    np.save(tmp_path / "vectors.npy", vectors)
    program = (
        "import sys, numpy as np, pathlib, torch\n"
        "from genrec_tokenizers.quantizers import load_quantizer\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"
        "folder, *kinds = sys.argv[1:]\n"
        "folder = pathlib.Path(folder)\n"
        "for kind in kinds:\n"
        "    quantizer = load_quantizer(folder / kind)\n"
        "    codes = quantizer.encode(np.load(folder / 'vectors.npy'))\n"
        "    np.savez(folder / f'{kind}.npz', codes=codes, decoded=quantizer.decode(codes[:, :1]))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path), *KINDS], check=True)
    for kind, quantizer in fitted.items():
        result = np.load(tmp_path / f"{kind}.npz")
        assert np.array_equal(result["codes"], quantizer.encode(vectors))
        assert np.allclose(result["decoded"], quantizer.decode(quantizer.encode(vectors)[:, :1]))


def test_settings_survive_the_trip(fitted: Quantizer, tmp_path: Path) -> None:
    fitted.save_pretrained(tmp_path)
    again = load_quantizer(tmp_path)
    assert type(again) is type(fitted)
    assert again.settings() == fitted.settings()
    assert again.tensors().keys() == fitted.tensors().keys()


@pytest.mark.parametrize("damage", ["no weights", "other sizes", "other width"])
def test_a_broken_folder_is_an_artifact_error(fitted: Quantizer, tmp_path: Path, damage: str) -> None:
    fitted.save_pretrained(tmp_path)
    config = tmp_path / "quantizer.json"
    raw = json.loads(config.read_text())
    if damage == "no weights":
        (tmp_path / "codebooks.safetensors").unlink()
    else:
        raw |= {"other sizes": {"codebook_sizes": [9, 4, 4]}, "other width": {"hidden": [7]}}[damage]
        config.write_text(json.dumps(raw))
    with pytest.raises(ArtifactError, match=f"no readable {fitted.kind} quantizer"):
        type(fitted).from_pretrained(tmp_path)


def test_bad_input_is_refused(fitted: Quantizer, vectors: np.ndarray) -> None:
    broken = vectors.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match=r"1 of 400 embeddings hold NaN or infinity \(rows 3\)"):
        small(fitted.kind).fit(broken)
    with pytest.raises(DataError, match="are the same vector"):
        small(fitted.kind).fit(np.full((40, 3), 2, dtype=np.float32))
    with pytest.raises(DataError, match="5 dimensions, but the codebooks have 12"):
        fitted.encode(np.zeros((2, 5), dtype=np.float32))
    with pytest.raises(DataError, match="A code lies outside"):
        fitted.decode(np.array([[16]]))
    with pytest.raises(RuntimeError, match="not fitted"):
        small(fitted.kind).encode(vectors)


@pytest.mark.parametrize("kind", ["rqvae", "residual_kmeans_plus"])
def test_fewer_items_than_codes_are_refused(kind: str, vectors: np.ndarray) -> None:
    with pytest.raises(DataError, match="10 items cannot fill a codebook of 16 codes"):
        small(kind).fit(vectors[:10])


def test_training_beats_residual_kmeans_on_a_curved_surface_and_the_warmup_pays() -> None:
    vectors = curved(np.random.default_rng(1))
    plain = ResidualKMeans((8, 8)).fit(vectors)

    def error(quantizer: Quantizer) -> float:
        return reconstruction_errors(quantizer, vectors, quantizer.encode(vectors))[-1]

    def trained(**options: float) -> float:
        settings = {"hidden": (32,), "latent": 4, "epochs": 60, "batch_size": 64, "learning_rate": 5e-3}
        return error(RQVAE((8, 8), **settings, sinkhorn_epsilon=0.0, **options).fit(vectors))

    warm = trained()
    assert warm < error(plain)
    assert warm < trained(warmup=0.0)


def network(**options: float) -> ResidualNetwork:
    torch.manual_seed(0)
    made = ResidualNetwork(Perceptron((6, 4)), Perceptron((4, 6)), 4, (8, 4), **{"commitment": 0.25, **options})
    made.start(torch.randn(100, 6))
    return made


def test_the_loss_is_reconstruction_codebook_and_commitment() -> None:
    made, vectors = network(), torch.randn(50, 6)
    codes = made.encode(vectors)
    first = made.encoder(vectors)
    second = first - made.codebooks[0][codes[:, 0]]
    third = second - made.codebooks[1][codes[:, 1]]
    expected = (made.decode(codes) - vectors).square().mean()
    expected += 1.25 * (second.square().mean() + third.square().mean())
    assert torch.allclose(made.loss(vectors, None), expected, atol=1e-6)


def test_gradients_reach_encoder_and_codebooks_through_the_codes() -> None:
    made, vectors = network(commitment=0.0), torch.randn(50, 6)
    made.loss(vectors, None).backward()
    assert made.encoder.layers[0].weight.grad.abs().sum() > 0
    assert all(codebook.grad.abs().sum() > 0 for codebook in made.codebooks)


def test_codes_nobody_is_near_are_moved_onto_residuals() -> None:
    made, vectors = network(), torch.randn(200, 6)
    with torch.no_grad():
        made.codebooks[0][5:] = 1e3
    made.loss(vectors, None)
    made.after_epoch()
    moved = made.codebooks[0][5:]
    assert (torch.cdist(moved, made.encoder(vectors)).min(1).values < 1e-3).all()
    assert len(made.encode(vectors)[:, 0].unique()) > 5


def test_sinkhorn_fills_the_last_level_evenly_in_training_and_leaves_the_others() -> None:
    made, vectors = network(sinkhorn_epsilon=0.003), torch.randn(400, 6)
    residual = made.encoder(vectors).detach()
    first = made._assign(0, residual)
    assert torch.equal(first, made.encode(vectors)[:, 0])
    residual = residual - made.codebooks[0][first]
    with torch.no_grad():
        made.codebooks[1][0] = residual.mean(0)
        made.codebooks[1][1:] += 3
    assert torch.bincount(made.encode(vectors)[:, 1], minlength=4).max() > 350
    assert torch.bincount(made._assign(1, residual), minlength=4).max() < 300


def test_the_collaborative_term_needs_its_vectors(vectors: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"none are given[\s\S]*collaborative_weight=0"):
        small("rqvae", collaborative_weight=0.02).fit(vectors)
    with pytest.raises(DataError, match="400 items, but 7 are given"):
        small("rqvae", collaborative_weight=0.02).fit(vectors, np.ones((7, 3), dtype=np.float32))


def test_the_collaborative_term_makes_codes_follow_behaviour() -> None:
    """Content hardly tells the two groups apart; behaviour does."""
    rng = np.random.default_rng(5)
    group = np.arange(300) % 2
    content = rng.normal(size=(300, 8)).astype(np.float32)
    content[:, 0] = (2 * group - 1) * 0.3
    behavior = np.eye(2, dtype=np.float32)[group]

    def purity(weight: float) -> float:
        options = {"hidden": (32,), "latent": 4, "epochs": 40, "batch_size": 64, "learning_rate": 1e-2}
        quantizer = RQVAE((8,), **options, sinkhorn_epsilon=0.0, collaborative_weight=weight, seed=1)
        codes = quantizer.fit_encode(content, behavior)[:, 0]
        table = np.zeros((8, 2))
        np.add.at(table, (codes, group), 1)
        return table.max(axis=1).sum() / 300

    assert purity(3.0) > purity(0.0) + 0.1


def test_collaborative_scores_leave_out_items_nobody_used() -> None:
    torch.manual_seed(0)
    terms = LetterTerms(3, 2, 1.0, 0.0)
    quantized, others = torch.randn(5, 3), torch.randn(5, 2)
    others[2] = 0
    known = [0, 1, 3, 4]
    scores = terms.projection(quantized[known]) @ others[known].T
    expected = torch.nn.functional.cross_entropy(scores, torch.arange(4))
    assert torch.allclose(terms(quantized, [], [], others), expected)
    assert terms(quantized, [], [], torch.zeros(5, 2)) == 0


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_partners_are_others_of_the_same_cluster(members: list[int]) -> None:
    clusters = torch.tensor(members)
    codes = torch.arange(len(members)).repeat(20)
    drawn = Partners(clusters).draw(codes)
    sizes = torch.bincount(clusters)[clusters][codes]
    assert ((drawn == -100) == (sizes == 1)).all()
    paired = drawn >= 0
    assert (drawn != codes)[paired].all()
    assert (clusters[drawn[paired]] == clusters[codes[paired]]).all()


def test_every_other_code_of_a_cluster_is_drawn() -> None:
    torch.manual_seed(0)
    drawn = Partners(torch.tensor([0, 1, 0, 0])).draw(torch.zeros(200, dtype=torch.long))
    assert set(drawn.tolist()) == {2, 3}


def test_the_diversity_term_is_cross_entropy_without_the_code_itself() -> None:
    codebook = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 2.0], [0.0, 1.0]])
    partners = Partners(torch.tensor([0, 0, 1, 1]))
    # Code 0 has the products .5, 0, 0 with the others, and its partner is the first of them.
    expected = -np.log(np.exp(0.5) / (np.exp(0.5) + 2))
    assert np.isclose(diversity(codebook, torch.tensor([0, 0]), partners), expected)


def test_clusters_of_a_codebook_are_about_equal_and_near() -> None:
    torch.manual_seed(0)
    codebook = torch.randn(256, 8)
    clusters = clusters_of(codebook)
    sizes = torch.bincount(clusters)
    assert len(sizes) == 10
    assert sizes.min() >= 13
    assert sizes.max() <= 52
    shuffled = clusters[torch.randperm(256)]
    spread = [sum(float(codebook[by == c].var(0).sum()) for c in range(10)) for by in (clusters, shuffled)]
    assert spread[0] < 0.9 * spread[1]


def test_diversity_uses_codes_more_evenly() -> None:
    """Skewed vectors; without Sinkhorn, which levels the last level by other means."""
    rng = np.random.default_rng(7)
    vectors = (rng.normal(size=(500, 10)) * rng.exponential(size=(500, 1)) ** 2).astype(np.float32)

    def entropy(weight: float) -> float:
        options = {"hidden": (32,), "latent": 6, "epochs": 40, "batch_size": 64, "learning_rate": 5e-3}
        quantizer = RQVAE((32,), **options, sinkhorn_epsilon=0.0, diversity_weight=weight)
        return level_figures(quantizer.fit_encode(vectors)[:, 0], 32)["entropy"]

    assert entropy(0.5) > entropy(0.0) + 0.2


def test_recipes_reach_the_constructor() -> None:
    config = RQVAEConfig(levels=2, codebook_size=(8, 4), epochs=3, hidden=(5,), diversity_weight=1e-4)
    quantizer = make_quantizer(config, seed=9)
    assert isinstance(quantizer, RQVAE)
    written = quantizer.settings()
    assert (written["codebook_sizes"], written["hidden"], written["seed"]) == ([8, 4], [5], 9)
    assert {key: written[key] for key in ("epochs", "diversity_weight", "warmup")} == {
        "epochs": 3,
        "diversity_weight": 1e-4,
        "warmup": 0.25,
    }
    assert RQVAEConfig().model_dump(exclude={"kind", "levels", "codebook_size", "hidden"}) == {
        key: value for key, value in RQVAE().settings().items() if key not in ("codebook_sizes", "hidden", "seed")
    }
