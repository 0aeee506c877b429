"""Do the figures of several evaluations compare? Only if data, split, protocol and examples are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from genrec.data import Dataset
from genrec.errors import ArtifactError
from genrec.runs import Manifest
from genrec_eval.protocols.protocol import split_digest

# A run folder, and of its evaluation the manifest, results.json and ranks.parquet.
Evaluation = tuple[Path, Manifest, dict[str, Any], pl.DataFrame]
_SHOWN = 12  # characters of a digest


def label_runs(paths: Sequence[Path]) -> list[str]:
    """Return for each run folder the shortest end of its path that no other one has.

    Raises:
        ArtifactError: if a folder is named twice.
    """
    parts = [path.resolve().parts for path in paths]
    twice = sorted({str(path) for path, own in zip(paths, parts, strict=True) if parts.count(own) > 1})
    if twice:
        raise ArtifactError([f"{path} is named twice." for path in twice], "Name every run once.")
    for depth in range(1, max(len(own) for own in parts) + 1):
        labels = ["/".join(own[-depth:]) for own in parts]
        if len(set(labels)) == len(labels):
            break
    return labels


def require_same(evaluations: Mapping[str, Evaluation]) -> None:
    """Check that evaluations, by their runs' labels, were made of the same examples in the same way.

    Seeds, models and how a generator answers may differ.

    Raises:
        ArtifactError: naming everything that differs, with what each run has.
    """
    problems = [_problem("dataset", _datasets(evaluations))]
    for what, fact in _FACTS.items():
        problems.append(_problem(what, {label: fact(one[2]) for label, one in evaluations.items()}))
    if not any(problems):  # rows of another dataset or split differ anyway
        problems.append(_problem("examples", {label: _rows(one[3]) for label, one in evaluations.items()}))
    if found := [problem for problem in problems if problem]:
        remedy = "Measure all of them on one dataset by one protocol: genrec evaluate --run RUN --protocol NAME"
        raise ArtifactError([f"{problem}." for problem in found], remedy)


def _problem(what: str, facts: Mapping[str, str]) -> str | None:
    """Return in words who has which; None where all have the same."""
    if len(set(facts.values())) == 1:
        return None
    holders = {fact: [label for label in facts if facts[label] == fact] for fact in dict.fromkeys(facts.values())}
    return f"The evaluations differ in the {what}: " + "; ".join(
        f"{fact} ({', '.join(labels)})" for fact, labels in holders.items()
    )


def _datasets(evaluations: Mapping[str, Evaluation]) -> dict[str, str]:
    """Return the digest of what each was measured on: the files', or where these differ who had what in which part.

    Datasets that differ in texts or images alone have the same examples.
    """
    files = {label: str(one[1].inputs.get("dataset")) for label, one in evaluations.items()}
    folders = {label: one[0] / "dataset" for label, one in evaluations.items()}
    if len(set(files.values())) > 1 and all(folder.is_dir() for folder in folders.values()):
        files = {label: split_digest(Dataset.load(folder)) for label, folder in folders.items()}
    return {label: f"{digest[:_SHOWN]}…" for label, digest in files.items()}


def _protocol(results: Mapping[str, Any]) -> str:
    named = results.get("protocol")
    return f"{named['name']} {named['sha256'][:_SHOWN]}…" if named else "none"


def _cut_offs(results: Mapping[str, Any]) -> str:
    found = {int(name.partition("@")[2]) for figures in results["metrics"].values() for name in figures}
    return ", ".join(map(str, sorted(found)))


def _setting(name: str, otherwise: str = "none") -> Callable[[Mapping[str, Any]], str]:
    return lambda results: str(results.get(name) if results.get(name) is not None else otherwise)


def _rows(ranks: pl.DataFrame) -> str:
    """Return how many examples there are and a digest of whose they are and what was to be found."""
    text = ranks.select("user_id", "item_id").write_ndjson()
    return f"{len(ranks):,} of digest {hashlib.sha256(text.encode()).hexdigest()[:_SHOWN]}…"


_FACTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "protocol": _protocol,
    "split": _setting("split"),
    "target": _setting("target", "item"),
    "length of a session's list": _setting("session_length"),
    "history length": _setting("history_length", "all"),
    "exclusion of seen items": _setting("exclude_seen"),
    "cut-offs": _cut_offs,
}
