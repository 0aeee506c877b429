"""The report: self-contained, escaped, honest about what is missing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from genrec.errors import ArtifactError
from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue
from genrec_eval.config import EvaluateConfig
from genrec_eval.make import make_evaluation
from genrec_eval.report import write_report
from genrec_eval.report.sid_map import flat
from genrec_eval.report.training_figures import training_figures
from tests.eval.conftest import MakeDataset, write_dataset

NASTY = "<script>alert('$x_1$')</script> & Söhne"
LOG = [
    {"step": 10, "epoch": 1.0, "loss": 3.5, "tokens_per_second": 900.0},
    {"step": 10, "eval_ndcg@10": 0.01, "eval_recall@10": 0.03},
    {"step": 20, "epoch": 2.0, "loss": 3.1},
    {"step": 20, "eval_ndcg@10": 0.02, "eval_recall@10": 0.05},
    {"train_runtime": 3.0},
]
QUALITY = {
    "levels": [
        {"level": 1, "utilisation": 0.8, "entropy": 2.1, "neighbors": {"hit_rate": 0.6, "by_chance": 0.0125}},
        {"level": 2, "reconstruction_error": 0.3},
    ],
    "purity": {NASTY: [{"purity": 0.7, "by_chance": 0.2}, {"purity": 0.9, "by_chance": 0.4}]},
    "collisions": {"before": 4, "after": 0},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every artefact, whose titles are markup."""
    items, rng, run = 12, np.random.default_rng(0), tmp_path_factory.mktemp("report") / "run"
    dataset = write_dataset([rng.permutation(items)[:7].tolist() for _ in range(20)], items, run=run, title=NASTY)
    codes = np.stack([np.arange(items) % 5, np.arange(items) // 5], axis=1).astype(np.int32)
    with new_artifact(run / "semantic_ids", "semantic_ids", {}) as draft:
        Catalogue(dataset.item_ids, codes, (5, 3), dataset.titles).save(draft.path)
        (draft.path / "quality.json").write_text(json.dumps(QUALITY))
        (draft.path / "code_names.json").write_text(json.dumps({"<a_1>": [NASTY, "fish"]}))
        save_file(
            {"embeddings": rng.normal(size=(items, 6)).astype(np.float32)}, draft.path / "embeddings.safetensors"
        )
    make_evaluation(EvaluateConfig(baselines=("popularity", "transitions"), examples=3), run, seed=0)
    with new_artifact(run / "generator", "generator", {"note": NASTY}, seed=0) as draft:
        (draft.path / "training_log.json").write_text(json.dumps({"log": LOG}))
        draft.details["steps"] = 20
    return run


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def test_every_part_is_there(page: str) -> None:
    assert "Not made yet" not in page
    assert "cannot be read" not in page
    labels = re.findall(r'aria-label="([^"]*)"', page)
    assert [label.partition(":")[0].partition(" with")[0] for label in labels] == [
        "NDCG@10", "Recall@10", "Recall at every cut-off", "Coverage of the catalogue at 10",
        "12 items, coloured by their first code", "Level 1 (a)", "Level 2 (b)",
        "Training loss", "Accuracy on the validation part", "Speed of training",
        "Popularity of items", "Length of histories", "Interactions over time", "Size of the splits",
    ]  # fmt: skip
    assert "4 before collisions were resolved, 0 after" in page
    assert page.count("<article>") == 3


def test_codes_are_shown_with_their_words_and_what_neighbours_share(page: str) -> None:
    assert "<code>&lt;a_1&gt;</code>" in page
    assert ", fish</td>" in page
    assert '60.0% <span class="quiet">(1.2%)</span>' in page
    assert '70.0% <span class="quiet">(20.0%)</span>' in page


def test_the_map_puts_near_vectors_near(rng: np.random.Generator) -> None:
    cluster = np.repeat(np.arange(4), 20)
    vectors = (rng.normal(0, 50, (4, 9))[cluster] + rng.normal(size=(80, 9))).astype(np.float32)
    places = flat(vectors)
    assert np.array_equal(places, flat(vectors))
    nearest = np.square(places[:, None] - places[None]).sum(axis=2)
    np.fill_diagonal(nearest, np.inf)
    assert (cluster[nearest.argmin(axis=1)] == cluster).all()


@pytest.mark.parametrize("items", [1, 3, 6])
def test_a_handful_of_items_has_a_map(items: int, rng: np.random.Generator) -> None:
    assert flat(rng.normal(size=(items, 3)).astype(np.float32)).shape == (items, 2)


def test_it_loads_nothing(page: str) -> None:
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"<(script|link|img|iframe|object|embed)\b|@import|src=", page)
    references = re.findall(r'(?:href="|url\()([^")]*)', page)
    assert references
    assert all(reference.startswith("#") for reference in references)


def test_text_of_users_is_escaped(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;alert(" in page


def test_figures_take_their_colours_from_the_page(page: str) -> None:
    assert "#01010" not in page
    assert "currentColor" in page
    assert set(re.findall(r"var\((--[\w-]+)\)", page)) <= set(re.findall(r"(--[\w-]+):", page))


def test_ids_of_figures_do_not_clash(page: str) -> None:
    used = set(re.findall(r'(?:href="|url\()#([^")]*)', page))
    assert used
    assert all(page.count(f'id="{name}"') == 1 for name in used)


def test_missing_stages_are_named(make_dataset: MakeDataset) -> None:
    run = make_dataset([[0, 1, 2, 3]], 4).path.parent
    page = write_report(run).read_text(encoding="utf-8")
    for verb in ("tokenize", "train", "evaluate"):
        assert f"Not made yet: genrec {verb} --run {run}" in page
    assert "Length of histories" in page


def test_broken_files_do_not_stop_it(run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(run, tmp_path / "broken")
    (run / "evaluation" / "results.json").write_text("{")
    (run / "semantic_ids" / "quality.json").unlink()
    (run / "generator" / "training_log.json").unlink()
    page = write_report(run).read_text(encoding="utf-8")
    assert "cannot be read" in page
    assert "There are no quality figures" in page
    assert "keeps no training log" in page


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artefact"):
        write_report(tmp_path)


def test_a_training_on_sessions_is_drawn_by_its_own_metrics() -> None:
    log = [
        {"step": 1, "loss": 2.0},
        {"step": 1, "eval_session_ndcg@5": 0.25, "eval_session_recall@5": 0.5, "eval_runtime": 1.0},
        {"step": 2, "eval_session_ndcg@5": 0.375, "eval_session_recall@5": 0.5, "eval_runtime": 1.0},
    ]
    drawn = "".join(training_figures(log))
    assert "session NDCG@5" in drawn
    assert "session Recall@5" in drawn
    assert "best 0.3750" in drawn
