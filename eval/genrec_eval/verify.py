"""Are an evaluation's figures what its files say, on whatever machine they lie?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from genrec.errors import ArtifactError
from genrec.runs import Manifest, digest_files, open_artifact
from genrec_eval.protocols import load_protocol, protocol_names
from genrec_eval.results import RANKS_FILE, RESULTS_FILE
from genrec_eval.statistics import gains

_TOLERANCE = 1e-9


def verify_evaluation(run: Path) -> dict[str, Any]:
    """Check a run's evaluation and return what was checked.

    The files are those of the manifest; recall and NDCG of every model follow from ``ranks.parquet``; where the
    run's dataset lies beside it, it is the one that was measured on; a protocol's file is the one of this genrec.

    Raises:
        ArtifactError: naming everything that is not so.
    """
    path = run / "evaluation"
    manifest = open_artifact(path, "evaluation")
    problems = _files(path, manifest)
    if problems:  # figures of other files would say nothing
        raise ArtifactError(problems, f"Measure again: genrec evaluate --run {run}")
    results = json.loads((path / RESULTS_FILE).read_text(encoding="utf-8"))
    checked = _figures(path, results, problems)
    beside = _dataset(run, manifest, problems)
    protocol = _protocol(results.get("protocol"), problems)
    if problems:
        raise ArtifactError(problems, f"Measure again: genrec evaluate --run {run}")
    return {
        "evaluation": str(path),
        "digest": manifest.digest,
        "files": len(manifest.files),
        "figures": checked,
        "dataset": beside,
        "protocol": protocol,
        "command": " ".join(manifest.command),
        "commit": manifest.git_commit,
    }


def _files(path: Path, manifest: Manifest) -> list[str]:
    there = digest_files(path)
    names = sorted(set(there) | set(manifest.files))
    return [
        f"{path / name} is not the file that was written."
        for name in names
        if there.get(name) != manifest.files.get(name)
    ]


def _figures(path: Path, results: dict[str, Any], problems: list[str]) -> int:
    ranks, checked = pl.read_parquet(path / RANKS_FILE), 0
    for model, figures in results["metrics"].items():
        for name, figure in figures.items():
            metric, _, k = name.partition("@")
            if metric not in ("recall", "ndcg"):
                continue
            found = float(gains(ranks[model], metric, int(k)).mean())
            checked += 1
            if abs(found - figure) > _TOLERANCE:
                problems.append(f"{name} of {model} is {figure}, but its ranks give {found}.")
    return checked


def _dataset(run: Path, manifest: Manifest, problems: list[str]) -> str:
    if not (run / "dataset").is_dir():
        return "not here"
    if open_artifact(run / "dataset", "dataset").digest != manifest.inputs.get("dataset"):
        problems.append(f"{run / 'dataset'} is not the dataset that was measured on.")
    return "the one measured on"


def _protocol(named: dict[str, Any] | None, problems: list[str]) -> str | None:
    if named is None:
        return None
    if named["name"] not in protocol_names():
        return f"{named['name']}, a file of one's own"
    if load_protocol(named["name"])[1] != named["sha256"]:
        problems.append(f"The protocol {named['name']} was another file when this was measured.")
    return str(named["name"])
