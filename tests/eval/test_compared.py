"""Which runs compare, what their models are called, and what is said of their differences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.errors import ArtifactError, UnknownNameError
from genrec_eval.report.comparable import label_runs
from genrec_eval.report.compared import compare_runs
from genrec_eval.report.differences import curve, differences, per_example
from genrec_eval.statistics import gains, holm
from tests.eval.evaluations import write_evaluation, write_run

GOOD, POOR, NONE = [1] * 30 + [0] * 10, [1] * 10 + [0] * 30, [0] * 40


def test_generators_have_their_runs_names_and_baselines_their_own(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"generator": GOOD, "popularity": NONE, "sasrec": POOR})
    two = write_run(tmp_path / "two", {"generator": POOR, "popularity": NONE, "sasrec": GOOD}, seed=1)
    compared = compare_runs([one, two])
    assert {entry.name for entry in compared.entries} == {
        "one",
        "two",
        "popularity",
        "sasrec (one)",
        "sasrec (two)",
    }
    assert (compared.reference, compared.k, compared.deepest) == ("one", 5, 5)
    assert [entry.metrics["ndcg@5"] for entry in compared.entries] == [0.75, 0.75, 0.25, 0.25, 0.0]
    assert compared.name_of("two", "popularity") == "popularity"


def test_without_a_generator_the_best_of_the_first_run_is_the_reference(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"popularity": POOR, "ease": GOOD})
    two = write_run(tmp_path / "sasrec", {"generator": GOOD, "sasrec": POOR})
    compared = compare_runs([one, two])
    assert compared.reference == "ease"
    assert compare_runs([one, two], "popularity").reference == "popularity"
    assert {"sasrec", "sasrec (generator)"} < {entry.name for entry in compared.entries}
    with pytest.raises(UnknownNameError, match="Did you mean 'popularity'"):
        compare_runs([one, two], "popularitie")


def test_labels_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    assert label_runs([Path("/a/x/run"), Path("/a/y/run")]) == ["x/run", "y/run"]
    assert label_runs([Path("/a/one"), Path("/b/two")]) == ["one", "two"]
    with pytest.raises(ArtifactError, match="named twice"):
        label_runs([tmp_path / "run", tmp_path / "x" / ".." / "run"])


def test_everything_that_differs_is_named_at_once(tmp_path: Path) -> None:
    protocol = {"name": "tiger-beauty", "sha256": "0" * 64, "seeds": [0]}
    one = write_run(tmp_path / "one", {"generator": GOOD})
    two = write_run(tmp_path / "two", {"generator": GOOD[:-1]}, split="valid", exclude_seen=False)
    write_evaluation(
        two, {"generator": GOOD[:-1]}, [f"i{user + 2:03}" for user in range(39)],
        json.loads((two / "evaluation" / "manifest.json").read_text())["inputs"], [],
        {"split": "valid", "exclude_seen": False, "protocol": protocol | {"name": "mine.yaml"}},
    )  # fmt: skip
    with pytest.raises(ArtifactError) as error:
        compare_runs([one, two])
    text = str(error.value)
    for words in (
        "dataset: ",
        "split: test (one); valid (two)",
        "protocol: none (one); mine.yaml 000",
        "seen items",
    ):
        assert words in text
    assert "cut-offs" not in text
    assert "genrec evaluate" in text


def test_seeds_and_texts_may_differ_but_not_the_examples(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"generator": GOOD})
    two = write_run(tmp_path / "two", {"generator": POOR}, title="Movie", seed=7)
    assert len(compare_runs([one, two]).entries) == 2
    inputs = json.loads((two / "evaluation" / "manifest.json").read_text())["inputs"]
    write_evaluation(two, {"generator": POOR}, ["i000"] * 40, inputs, [], {})
    with pytest.raises(ArtifactError, match="differ in the examples: 40 of digest"):
        compare_runs([one, two])


def test_missing_and_tampered_evaluations_are_named_together(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {"generator": GOOD})
    results = json.loads((one / "evaluation" / "results.json").read_text())
    results["metrics"]["generator"]["recall@5"] = 0.9
    (one / "evaluation" / "results.json").write_text(json.dumps(results))
    with pytest.raises(ArtifactError) as error:
        compare_runs([one, tmp_path / "nowhere"])
    assert "not the file that was written" in str(error.value)
    assert str(tmp_path / "nowhere") in str(error.value)


def test_differences_are_other_minus_reference_and_corrected_over_the_page(tmp_path: Path) -> None:
    shifted = [2 if rank == 1 else rank for rank in GOOD]
    one = write_run(tmp_path / "one", {"generator": POOR, "popularity": shifted, "ease": POOR})
    two = write_run(tmp_path / "two", {"generator": GOOD})
    found = differences(compare_runs([one, two]))
    rows = {row.other: row for row in found["recall@5"]}
    assert rows["two"].difference == pytest.approx(0.5)
    assert rows["two"].interval[0] > 0.3
    assert rows["two"].significant
    assert (rows["ease"].difference, rows["ease"].significant) == (0.0, False)
    assert {row.other: row.difference for row in found["ndcg@1"]}["popularity"] == -0.25
    everything = [row for one_metric in found.values() for row in one_metric]
    assert [row.p_holm for row in everything] == holm([row.p for row in everything])
    assert set(found) == {f"{metric}@{k}" for metric in ("recall", "ndcg") for k in (1, 5)}


def test_figures_of_examples_are_those_of_the_metrics(rng: np.random.Generator) -> None:
    ranks = pl.Series(rng.integers(0, 8, 200))
    expected = np.where((ranks.to_numpy() > 0) & (ranks.to_numpy() <= 5), 1 / np.maximum(ranks.to_numpy(), 1), 0)
    np.testing.assert_allclose(per_example(ranks, "mrr@5"), expected)
    assert curve(ranks, "ndcg", 7)[4] == pytest.approx(gains(ranks, "ndcg", 5).mean())
    assert len(curve(ranks, "recall", 7)) == 7


def test_a_clear_difference_stays_significant_among_many_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genrec_eval.report.differences.SAMPLES", 50)  # alone, no p could be below 1 / 51
    one = write_run(tmp_path / "one", {"generator": NONE} | {f"model{at}": GOOD for at in range(12)})
    two = write_run(tmp_path / "two", {"generator": NONE})
    found = differences(compare_runs([one, two]))
    assert all(row.significant == (row.other != "two") for rows in found.values() for row in rows)
