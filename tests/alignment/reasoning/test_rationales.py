"""Rationales: what they say, of which events, and what the task makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.numpy import save_file

from genrec.data import Dataset
from genrec.decoding.think import END_OF_THOUGHT, REASON, answer
from genrec.errors import ArtifactError, DataError
from genrec.models import DecoderConfig, build_generator
from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue
from genrec_alignment.reasoning import RationaleConfig, make
from genrec_alignment.reasoning.make import make_rationales
from genrec_alignment.reasoning.pruning import pruned
from genrec_alignment.reasoning.store import Rationales
from genrec_alignment.reasoning.template import from_categories
from genrec_alignment.reasoning.written import Writer, tidy
from genrec_alignment.tasks import MixtureConfig, TaskSource
from genrec_alignment.tasks.reason import Reason
from genrec_alignment.tasks.rows import Encoder
from genrec_alignment.tasks.texts import ItemTexts
from tests.models.language.tiny import SIZES, random_codes, tiny_generator

ITEMS = [f"i{row}" for row in range(9)]
GENRES = ["War", "War, Drama", "Drama", "Comedy", "Comedy, Drama", "War", "", "Love", "Love"]
# User ann has training events 0 1 2 5, then one to validate and one to test with; bob has two, cat only one.
LOG = {"ann": [0, 1, 2, 5, 7, 8], "bob": [3, 4, 6], "cat": [0, 7]}
TRAINED = {"ann": 4, "bob": 3, "cat": 1}


def write_run(run: Path, genres: list[str] = GENRES, log: dict[str, list[int]] = LOG) -> Path:
    """A run with categories and vectors, in which item 5 is like item 0 most of all."""
    splits = ["valid", "test"]
    rows = [
        (user, ITEMS[item], at, "train" if at < TRAINED[user] else splits[at - TRAINED[user]])
        for user, items in log.items()
        for at, item in enumerate(items)
    ]
    with new_artifact(run / "dataset", "dataset", {}) as draft:
        draft.details["time_unit"] = "ordinal"
        items = pl.DataFrame({"item_id": ITEMS, "title": [f"Film {item}" for item in ITEMS], "genres": genres})
        items.write_parquet(draft.path / "items.parquet")
        names = ["user_id", "item_id", "timestamp", "split"]
        pl.DataFrame(rows, schema=names, orient="row").write_parquet(draft.path / "interactions.parquet")
    vectors = np.eye(9, dtype=np.float32)
    vectors[5] = vectors[0] * 3 + vectors[1]
    codes = random_codes(SIZES, 9, np.random.default_rng(0))
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        Catalogue(ITEMS, codes, SIZES, [f"Film {item}" for item in ITEMS]).save(draft.path)
        save_file({"embeddings": vectors}, draft.path / "embeddings.safetensors")
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def source_of(run: Path) -> TaskSource:
    dataset, catalogue = Dataset.load(run / "dataset"), Catalogue.load(run / "semantic_ids")
    return TaskSource.of(dataset, catalogue, MixtureConfig(weights={"next_item": 1}), 50)


def test_a_pruned_history_has_the_most_similar_items_each_once() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0], [0.8, 0.6]], dtype=np.float32)
    assert pruned(vectors, np.array([3, 2, 1, 2, 0]), target=0, k=2).tolist() == [1, 2]
    assert pruned(vectors, np.array([1, 4, 1, 2]), target=0, k=9).tolist() == [1, 4, 2]  # of equals the latest
    assert pruned(vectors, np.array([0]), target=0, k=3).tolist() == []


def test_a_template_says_what_target_and_history_share(rng: np.random.Generator) -> None:
    texts = ItemTexts(["A", "B", "C", "D"], [""] * 4, [["War", "Drama"], ["Drama", "Love"], ["Comedy"], []])
    said = from_categories(texts, np.array([2, 1]), 0, rng)
    assert said is not None
    assert "B" in said
    assert "Drama" in said
    assert "War" in said  # what the target is besides
    assert "Love" not in said
    assert "C" not in said.replace("Comedy", "")
    new = from_categories(texts, np.array([1]), 2, rng)
    assert new is not None
    assert new.startswith("Nothing chosen before is of the same kind")
    assert from_categories(texts, np.array([1]), 3, rng) is None


def test_rationales_are_of_the_training_part_alone(run: Path) -> None:
    manifest = make_rationales(RationaleConfig(), run, 0)
    table = pl.read_parquet(run / "rationales" / "rationales.parquet")
    # Events with something before them, less bob's last one, of which nothing is known.
    assert table["item_id"].to_list() == ["i1", "i2", "i5", "i4"]
    assert table["near"].to_list()[2] == ["i0", "i1", "i2"]
    assert manifest.details == {"rationales": 4, "targets": 5}
    assert not table["rationale"].str.contains("Love").any()  # that came in the valid and test parts only
    assert "Film i0" in table["rationale"][2]


def test_a_drawn_part_of_the_targets_is_the_seed_s(run: Path) -> None:
    some = RationaleConfig(rows=2)
    drawn = []
    for seed in (0, 0, 1, 2, 3):
        make_rationales(some, run, seed, force=True)
        drawn.append(pl.read_parquet(run / "rationales" / "rationales.parquet")["event"].to_list())
    assert drawn[0] == drawn[1]
    assert len({tuple(events) for events in drawn}) > 1
    assert all(len(events) <= 2 for events in drawn)


def test_interrupted_work_goes_on(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "_TEMPLATES_AT_ONCE", 2)
    make_rationales(RationaleConfig(), run, 0)
    whole = pl.read_parquet(run / "rationales" / "rationales.parquet")
    template, calls = make.from_categories, []

    def interrupted(*args: object) -> str | None:
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return template(*args)

    monkeypatch.setattr(make, "from_categories", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_rationales(RationaleConfig(), run, 0, force=True)
    make_rationales(RationaleConfig(), run, 0, force=True, resume=True)
    assert len(calls) == 4 + 3  # the first part of two was kept
    assert pl.read_parquet(run / "rationales" / "rationales.parquet").equals(whole)


def test_the_task_shows_the_whole_history_and_learns_the_whole_answer(run: Path, tmp_path: Path) -> None:
    make_rationales(RationaleConfig(items=1), run, 0)
    source = source_of(run)
    task = Reason(source)
    row = task.row(2, np.random.default_rng(0))
    catalogue, text = source.catalogue, Rationales.load(run / "rationales").texts[2]
    assert row.prompt == REASON.format(items="".join(catalogue.sid(item) for item in (0, 1, 2)))
    assert row.completion == f"{text}{END_OF_THOUGHT}{catalogue.sid(5)}" == answer(text, catalogue.sid(5))
    generator = tiny_generator(tmp_path / "base", catalogue=catalogue)
    assert generator.language is not None
    ids, learned = Encoder(generator.language.chat)(row)
    start = len(generator.language.chat.prompt(row.prompt))
    assert learned.tolist() == [0] * start + [1] * (len(ids) - start)
    target = generator.tokens[5].tolist()
    assert ids[-4:-1].tolist() == target  # and the end of the turn
    # Both parts of the loss with the same weight: their sum is the mean over the tokens times their number.
    labels = torch.from_numpy(np.where(learned, ids, -100)).long()[None]
    inputs = torch.from_numpy(ids).long()[None]
    with torch.no_grad():
        given = generator.model(input_ids=inputs, labels=labels)
    nll = -given.logits[0, :-1].log_softmax(-1).gather(1, inputs[0, 1:, None])[:, 0]
    item, rationale = nll[-4:].sum(), nll[start - 1 : -4].sum()
    assert float(given.loss * learned.sum()) == pytest.approx(float(item + rationale), rel=1e-4)


def test_a_run_without_rationales_has_no_units_and_others_are_refused(run: Path, tmp_path: Path) -> None:
    assert len(Reason(source_of(run))) == 0
    make_rationales(RationaleConfig(), run, 0)
    assert len(Reason(source_of(run))) == 4
    other = write_run(tmp_path / "other", log=LOG | {"ann": [1, 0, 2, 5, 7, 8]})
    (other / "rationales").symlink_to(run / "rationales")
    with pytest.raises(ArtifactError, match="made from another dataset"):
        Reason(source_of(other))


def test_a_model_writes_rationales_on_one_line(run: Path, tmp_path: Path) -> None:
    catalogue = Catalogue.load(run / "semantic_ids")
    generator = tiny_generator(tmp_path / "base", catalogue=catalogue)
    with new_artifact(run / "generator", "generator", {}) as draft:
        generator.save_pretrained(draft.path)
    config = RationaleConfig(writer="model", tokens=8, batch_size=2, temperature=1.0)
    make_rationales(config, run, 0)
    first = pl.read_parquet(run / "rationales" / "rationales.parquet")
    assert 0 < len(first) <= 5
    assert not first["rationale"].str.contains("\n").any()
    make_rationales(config, run, 0, force=True)
    assert pl.read_parquet(run / "rationales" / "rationales.parquet").equals(first)
    asked = Writer(generator, config)._question(np.array([0, 2]), 5)
    assert f"Film i0 {catalogue.sid(0)}; Film i2 {catalogue.sid(2)}.\nThen the person chose Film i5" in asked


def test_a_text_is_tidied() -> None:
    assert tidy("They like  war.\nIt is\n a war fil") == "They like war."
    assert tidy(f"War{END_OF_THOUGHT} <a_1> and so on.") == "War"
    assert tidy(" \n ") == ""


def test_what_cannot_be_made_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="There is no generator"):
        make_rationales(RationaleConfig(writer="model"), run, 0)
    items_only = build_generator(
        DecoderConfig(hidden_size=8, intermediate_size=8, layers=1), Catalogue.load(run / "semantic_ids"), 4
    )
    with pytest.raises(ArtifactError, match="cannot write rationales"):
        Writer(items_only, RationaleConfig())
    (run / "semantic_ids" / "embeddings.safetensors").unlink()
    with pytest.raises(ArtifactError, match="holds no vectors"):
        make_rationales(RationaleConfig(), run, 0)
    single = write_run(tmp_path / "single", log={"cat": [0, 7]})
    with pytest.raises(DataError, match="no events to explain"):
        make_rationales(RationaleConfig(), single, 0)
