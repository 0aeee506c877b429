"""Several runs' evaluations side by side: measured on the same examples in the same way, or refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from genrec.errors import ArtifactError, UnknownNameError
from genrec.runs import Manifest, open_artifact
from genrec_eval.comparisons import leading_cut_off
from genrec_eval.report.comparable import label_runs, require_same
from genrec_eval.results import GENERATOR, RANKS_FILE, RESULTS_FILE
from genrec_eval.verify import verify_evaluation

Results = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run's evaluation, verified.

    Args:
        label: the shortest end of its path that no other run has.
        path: its folder.
        manifest: of its evaluation.
        results: ``results.json``.
        ranks: ``ranks.parquet``.
    """

    label: str
    path: Path
    manifest: Manifest
    results: Results
    ranks: pl.DataFrame


@dataclass(frozen=True)
class Entry:
    """One model of one run.

    Args:
        name: a run's label for its generator; a baseline's own, with the run's label where runs disagree on it.
        run: the label of the run it was measured in.
        model: its name there.
        metrics: means by name.
        ranks: of every target, Int32 or lists of them [examples].
    """

    name: str
    run: str
    model: str
    metrics: dict[str, float]
    ranks: pl.Series


@dataclass(frozen=True)
class Compared:
    """All models of all runs.

    Args:
        runs: in the order they were named.
        entries: the best by NDCG at ``k`` first.
        reference: the name of the entry that the others are compared with.
        k: the cut-off that is shown first.
    """

    runs: list[Run]
    entries: list[Entry]
    reference: str
    k: int

    @property
    def results(self) -> Results:
        """What the runs have in common: split, target, users, examples, items, exclusion."""
        return self.runs[0].results

    @property
    def targets(self) -> pl.DataFrame:
        """``user_id`` and ``item_id`` (or lists of it) of every example."""
        return self.runs[0].ranks.select("user_id", "item_id")

    def name_of(self, run: str, model: str) -> str:
        """Return the name of the entry that stands for a model of a run."""
        same = [entry for entry in self.entries if entry.model == model]
        return next((entry.name for entry in same if entry.run == run), same[0].name)

    @property
    def names(self) -> list[str]:
        """The metrics that any model has, in order."""
        return list(dict.fromkeys(name for entry in self.entries for name in entry.metrics))

    @property
    def deepest(self) -> int:
        """The largest cut-off, as far as the ranks are known."""
        return max(int(name.partition("@")[2]) for name in self.names)


def compare_runs(paths: Sequence[Path], against: str | None = None) -> Compared:
    """Read the evaluations of two or more runs.

    A baseline that has the same rank of every target in several runs stands once.

    Args:
        paths: the run folders.
        against: the model to compare with; None: the first run's generator, or its best model without one.

    Raises:
        ArtifactError: naming every run that has no evaluation or a broken one, and everything in which the
            evaluations differ so that their figures do not compare.
        UnknownNameError: if there is no model ``against``.
    """
    runs = _read(paths)
    require_same({run.label: (run.path, run.manifest, run.results, run.ranks) for run in runs})
    entries = _entries(runs)
    k = leading_cut_off(name for entry in entries for name in entry.metrics)
    entries.sort(key=lambda entry: -entry.metrics[f"ndcg@{k}"])
    names = [entry.name for entry in entries]
    if against is not None and against not in names:
        raise UnknownNameError("model", against, names)
    return Compared(runs, entries, against or _usual_reference(runs[0].label, entries), k)


def _read(paths: Sequence[Path]) -> list[Run]:
    problems: list[str] = []
    labels, runs = label_runs(paths), []
    for label, path in zip(labels, paths, strict=True):
        try:
            runs.append(_run(label, path))
        except ArtifactError as error:
            problems += error.problems
    if problems:
        raise ArtifactError(problems, "Measure again what is named: genrec evaluate --run RUN")
    return runs


def _run(label: str, path: Path) -> Run:
    verify_evaluation(path)
    folder = path / "evaluation"
    results = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    if not results["metrics"]:
        raise ArtifactError(f"{folder} holds no model's figures.")
    return Run(label, path, open_artifact(folder, "evaluation"), results, pl.read_parquet(folder / RANKS_FILE))


def _entries(runs: Sequence[Run]) -> list[Entry]:
    kept: list[Entry] = []
    for run in runs:
        for model, metrics in run.results["metrics"].items():
            entry = Entry(model, run.label, model, metrics, run.ranks[model])
            if model == GENERATOR or not any(_alike(entry, other) for other in kept):
                kept.append(entry)
    return [_named(entry, kept) for entry in kept]


def _alike(one: Entry, other: Entry) -> bool:
    return one.model == other.model and one.ranks.equals(other.ranks)


def _named(entry: Entry, entries: Sequence[Entry]) -> Entry:
    """Return the entry under the name it is shown by."""
    baselines = {other.model for other in entries} - {GENERATOR}
    if entry.model == GENERATOR:
        name = f"{entry.run} (generator)" if entry.run in baselines else entry.run
    else:
        several = sum(other.model == entry.model for other in entries) > 1
        name = f"{entry.model} ({entry.run})" if several else entry.model
    return Entry(name, entry.run, entry.model, entry.metrics, entry.ranks)


def _usual_reference(label: str, entries: Sequence[Entry]) -> str:
    own = [entry for entry in entries if entry.run == label]
    return next((entry.name for entry in own if entry.model == GENERATOR), (own or list(entries))[0].name)
