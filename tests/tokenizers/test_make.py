"""The whole stage on a small dataset: files, reuse, determinism, no leakage, clear refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from genrec.data import Dataset
from genrec.errors import ArtifactError, DataError
from genrec.runs import new_artifact, open_artifact
from genrec.semantic_ids import Catalogue
from genrec.semantic_ids.catalogue import unique_rows
from genrec_tokenizers.config import CollisionsConfig, TokenizeConfig
from genrec_tokenizers.encoders import BehaviorEncoder, ItemVectors
from genrec_tokenizers.make import make_semantic_ids, train_popularity
from genrec_tokenizers.neighbors import NeighborCodes
from genrec_tokenizers.quantizers import ResidualKMeans
from tests.tokenizers.conftest import WriteDataset, item_name, item_titles, random_log


def settings(encoder: Path | None = None, **quantizer: object) -> TokenizeConfig:
    """Small codebooks; behaviour alone unless a text encoder is given."""
    text = {"model": str(encoder)} if encoder else {"weight": 0}
    return TokenizeConfig.model_validate(
        {
            "encoders": {"text": text, "behavior": {"dim": 6}},
            "quantizer": {"levels": 2, "codebook_size": 4, "iterations": 5, **quantizer},
        }
    )


@pytest.fixture
def run(tmp_path: Path, write_dataset: WriteDataset, rng: np.random.Generator) -> Path:
    """A run folder with a dataset of 40 items."""
    write_dataset(random_log(rng), item_titles())
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))


def test_the_artefact_holds_all_that_later_stages_read(run: Path, tiny_encoder: Path) -> None:
    manifest = make_semantic_ids(settings(tiny_encoder), run, seed=0)
    folder = run / "semantic_ids"
    dataset, catalogue = Dataset.load(run / "dataset"), Catalogue.load(folder)
    assert catalogue.item_ids == dataset.item_ids
    assert catalogue.titles == dataset.titles
    assert unique_rows(catalogue.codes)
    assert catalogue.codebook_sizes[:2] == (4, 4)
    embeddings = load_file(folder / "embeddings.safetensors")["embeddings"]
    assert embeddings.shape == (40, 16 + 6)
    quantizer = ResidualKMeans.from_pretrained(folder)
    assert np.array_equal(quantizer.encode(embeddings), catalogue.codes[:, :2])
    figures = json.loads((folder / "quality.json").read_text())
    assert manifest.details == figures
    assert figures["collisions"]["after"] == 0
    assert catalogue.codebook_sizes[2:] == (figures["appended_codes"],)
    assert figures["unknown"] == {"text": 0, "behavior": 0}
    assert set(manifest.inputs) == {"dataset", "text_encoder"}
    assert manifest.inputs["dataset"] == open_artifact(run / "dataset", "dataset").digest


def test_a_level_is_appended_only_for_collisions(run: Path) -> None:
    figures = make_semantic_ids(settings(levels=1, codebook_size=4), run, seed=0).details
    assert figures["appended_level"]
    assert Catalogue.load(run / "semantic_ids").codes.shape == (40, 2)
    figures = make_semantic_ids(settings(levels=1, codebook_size=40), run, seed=0).details
    assert not figures["appended_level"]
    assert Catalogue.load(run / "semantic_ids").codes.shape == (40, 1)


def test_what_is_current_is_not_made_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = make_semantic_ids(settings(), run, seed=0)
    again = make_semantic_ids(settings(), run, seed=0)
    assert again == first
    assert "up to date" in capsys.readouterr().err
    for other in (
        make_semantic_ids(settings(), run, seed=0, force=True),
        make_semantic_ids(settings(), run, seed=1),
        make_semantic_ids(settings(iterations=6), run, seed=1),
    ):
        assert other.created >= first.created
        assert other.seconds != first.seconds or other.config != first.config


def test_a_new_dataset_makes_ids_stale(
    run: Path, write_dataset: WriteDataset, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    first = make_semantic_ids(settings(), run, seed=0)
    write_dataset(random_log(rng), item_titles())
    assert make_semantic_ids(settings(), run, seed=0).inputs != first.inputs
    assert "up to date" not in capsys.readouterr().err


def test_the_same_seed_gives_the_same_ids(run: Path, tiny_encoder: Path) -> None:
    digests = {make_semantic_ids(settings(tiny_encoder), run, seed=3, force=True).digest for _ in range(2)}
    assert len(digests) == 1


def test_valid_and_test_rows_do_not_change_any_id(
    tiny_encoder: Path, tmp_path: Path, write_dataset: WriteDataset
) -> None:
    """The same training part with other held-out items must give the same vectors, codes and numbering."""
    seeded = np.random.default_rng(20240607)
    rows = random_log(seeded)
    shuffled = [
        (user, item if split == "train" else item_name(seeded.integers(40)), split) for user, item, split in rows
    ]
    assert shuffled != rows
    write_dataset(rows, item_titles(), tmp_path / "one")
    write_dataset(shuffled, item_titles(), tmp_path / "two")
    first, second = (make_semantic_ids(settings(tiny_encoder), tmp_path / name, seed=0) for name in ("one", "two"))
    assert first.inputs["dataset"] != second.inputs["dataset"]
    assert first.files == second.files


def test_training_rows_do_change_ids(tmp_path: Path, write_dataset: WriteDataset) -> None:
    """The counterpart of the test above: it could not fail if behaviour were never read."""
    for name, seed in (("one", 1), ("two", 2)):
        write_dataset(random_log(np.random.default_rng(seed)), item_titles(), tmp_path / name)
    first, second = (make_semantic_ids(settings(), tmp_path / name, seed=0) for name in ("one", "two"))
    assert first.files["codes.safetensors"] != second.files["codes.safetensors"]


def test_popularity_counts_the_training_part_only(write_dataset: WriteDataset) -> None:
    rows = [("u", "a", "train"), ("u", "b", "train"), ("v", "a", "train"), ("v", "b", "valid"), ("v", "b", "test")]
    assert train_popularity(write_dataset(rows, dict.fromkeys("abc", "x"))).tolist() == [2, 1, 0]


def test_without_a_dataset_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="genrec data"):
        make_semantic_ids(settings(), tmp_path / "run", seed=0)


def test_an_item_twice_is_refused_and_the_earlier_ids_stand(run: Path) -> None:
    before = make_semantic_ids(settings(), run, seed=0)
    dataset = Dataset.load(run / "dataset")
    with new_artifact(run / "dataset", "dataset", {"copies": 2}) as draft:
        doubled = dataset.items[[0, 0, 1, 1, *range(2, len(dataset.items))]]
        doubled.write_parquet(draft.path / "items.parquet")
        dataset.interactions.write_parquet(draft.path / "interactions.parquet")
    with pytest.raises(DataError, match="2 items occur more than once in the dataset: 'i000', 'i001'"):
        make_semantic_ids(settings(), run, seed=0)
    assert open_artifact(run / "semantic_ids", "semantic_ids") == before


def test_broken_vectors_are_traced_to_encoder_and_item(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: BehaviorEncoder, dataset: Dataset) -> ItemVectors:
        vectors = np.ones((len(dataset.items), 3), dtype=np.float32)
        vectors[5, 1] = np.nan
        return ItemVectors(vectors, np.ones(len(vectors), dtype=bool))

    monkeypatch.setattr(BehaviorEncoder, "encode", broken)
    with pytest.raises(DataError, match="behavior vectors of 1 items hold NaN or infinity: 'i005'"):
        make_semantic_ids(settings(), run, seed=0)


def test_too_few_items_name_the_setting(run: Path) -> None:
    with pytest.raises(DataError, match=r"40 items cannot fill a codebook of 41[\s\S]*codebook_size"):
        make_semantic_ids(settings(codebook_size=41), run, seed=0)


def test_identical_items_beyond_the_limit_are_named(
    tmp_path: Path, write_dataset: WriteDataset, rng: np.random.Generator
) -> None:
    titles = {item: "same title" if item < "i010" else title for item, title in item_titles().items()}
    rows = [row for row in random_log(rng) if row[1] >= "i010"]
    write_dataset(rows, titles)
    config = settings(codebook_size=16).model_copy(update={"collisions": CollisionsConfig(max_group=4)})
    with pytest.raises(DataError, match="10 items have the same codes, more than the 4 allowed: 'same title'"):
        make_semantic_ids(config, tmp_path / "run", seed=0)


def test_codebooks_can_be_learnt_from_a_sample(run: Path) -> None:
    config = settings().model_copy(update={"fit_items": 20})
    make_semantic_ids(config, run, seed=0)
    quantizer = ResidualKMeans.from_pretrained(run / "semantic_ids")
    embeddings = load_file(run / "semantic_ids" / "embeddings.safetensors")["embeddings"]
    drawn = np.sort(np.random.default_rng(0).permutation(40)[:20])
    again = ResidualKMeans((4, 4), iterations=5).fit(embeddings[drawn])
    assert all(np.array_equal(*pair) for pair in zip(quantizer.codebooks, again.codebooks, strict=True))
    assert np.array_equal(Catalogue.load(run / "semantic_ids").codes[:, :2], again.encode(embeddings))


def test_codes_too_many_for_the_items_are_pointed_out(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_semantic_ids(settings(codebook_size=3), run, seed=0)
    assert "codebook_size" not in capsys.readouterr().err
    make_semantic_ids(settings(codebook_size=8), run, seed=0)
    assert "8 codes a level are many for 40 items" in capsys.readouterr().err


def test_images_that_nobody_reads_are_pointed_out(
    tmp_path: Path, write_dataset: WriteDataset, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(random_log(rng), item_titles(), image=["a.jpg"] * 40)
    make_semantic_ids(settings(), tmp_path / "run", seed=0)
    assert "40 items have an image, and none is read" in capsys.readouterr().err


def test_neighbour_codes_are_written_where_asked_for(run: Path) -> None:
    folder = run / "semantic_ids"
    make_semantic_ids(settings(), run, seed=0)
    assert not (folder / "neighbor_codes.safetensors").exists()
    make_semantic_ids(settings().model_copy(update={"neighbors": 3}), run, seed=0)
    codes = load_file(folder / "neighbor_codes.safetensors")["codes"]
    assert codes.shape == (40, 3)
    embeddings = load_file(folder / "embeddings.safetensors")["embeddings"]
    assert np.array_equal(NeighborCodes.from_pretrained(folder).encode(embeddings), codes)
