"""What generators.py and sessionwise.py share: stages run as a person runs them, rows that stay, tables.

A job is one row of a results file. Its stages are `genrec` commands with the settings in `settings.yaml` of its run
folder, each in a process of its own, so that any row can be made again by hand and peak memory is one stage's.
A job whose row is there is passed over; one that was cut off goes on where its artefacts end. The dataset and the
semantic IDs are made once for all jobs with the same settings of `data` and `tokenize` (seed 0) and copied: the
seed of a job decides about its training alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]
Sections = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One row to be made.

    Args:
        key: what tells it from other rows, such as data, model and seed.
        sections: the settings: ``data``, ``tokenize``, ``train`` or ``tune`` (baselines: none), ``evaluate``.
        run: its run folder.
    """

    key: Row
    sections: Sections
    run: Path


def merged(first: Mapping[str, Any], *others: Mapping[str, Any]) -> Sections:
    """Return settings with those of ``others`` on top, key by key."""
    result = dict(first)
    for other in others:
        for name, value in other.items():
            both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
            result[name] = merged(result[name], value) if both else value
    return result


def read_rows(file: Path) -> list[Row]:
    """Return the rows of a results file; none where there is no file."""
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def add_row(file: Path, row: Row) -> None:
    """Append a row to a results file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}")
    lines = ",\n ".join(json.dumps(each) for each in [*read_rows(file), row])
    draft.write_text(f"[{lines}]\n", encoding="utf-8")
    draft.replace(file)


def run_jobs(jobs: Iterable[Job], file: Path, figures: Sequence[str]) -> None:
    """Make every row that ``file`` does not hold yet.

    Args:
        jobs: what to make.
        file: the results file.
        figures: the metrics that a row holds.
    """
    for job in jobs:
        done = [row for row in read_rows(file) if all(row.get(name) == value for name, value in job.key.items())]
        print(f"{'already there' if done else 'making'}: {job.key}", file=sys.stderr)
        if not done:
            add_row(file, make_row(job, figures))


def make_row(job: Job, figures: Sequence[str]) -> Row:
    """Run the stages of a job and return its row."""
    _prepare(job)
    trained = next((verb for verb in ("tune", "train") if verb in job.sections), None)
    if trained:
        _stage(job.run, "generator", trained, "--resume")
    _stage(job.run, "evaluation", "evaluate")
    results = _json(job.run / "evaluation" / "results.json")
    (model,) = results["metrics"]
    row = job.key | {name: round(results["metrics"][model][name], 5) for name in figures}
    row |= _training(job.run) if trained else _fitting(job, results, model)
    evaluation = _json(job.run / "evaluation" / "manifest.json")
    return row | {"examples": results["examples"], "cores": os.cpu_count(), "commit": evaluation["git_commit"]}


def _training(run: Path) -> Row:
    manifest = _json(run / "generator" / "manifest.json")
    log = _json(run / "generator" / "training_log.json")["log"]
    speeds = [entry["tokens_per_second"] for entry in log if entry.get("tokens_per_second")]
    return {
        "minutes": round(manifest["seconds"] / 60, 1),
        "parameters": manifest["details"]["parameters"],
        "epochs": manifest["details"]["epochs"],
        "tokens_per_second": round(statistics.median(speeds)) if speeds else None,
        "peak_mib": _peaks(run).get("generator"),
    }


def _fitting(job: Job, results: Row, model: str) -> Row:
    """Return the figures of a baseline; parameters are counted for SASRec only."""
    parameters = None
    if model == "sasrec":
        from genrec.models.sasrec import SasrecConfig
        from genrec.models.sasrec.network import SasrecModel

        network = SasrecModel(results["items"], SasrecConfig(**results["parameters"][model]))
        parameters = sum(weight.numel() for weight in network.parameters())
    return {
        "minutes": round(results["seconds"][model]["fit"] / 60, 1),
        "parameters": parameters,
        "epochs": None,
        "tokens_per_second": None,
        "peak_mib": _peaks(job.run).get("evaluation"),
    }


def _prepare(job: Job) -> None:
    """Write the settings, and bring the dataset and the semantic IDs into the run folder."""
    inputs = {name: job.sections.get(name, {}) for name in ("data", "tokenize")}
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
    shared = job.run.parent / f"inputs-{digest}"
    _settings(shared, inputs, seed=0)
    _stage(shared, "dataset", "data")
    if {"train", "tune"} & job.sections.keys() or job.sections.get("tokenize"):
        _stage(shared, "semantic_ids", "tokenize")
    _settings(job.run, job.sections, seed=job.key["seed"])
    for name in ("dataset", "semantic_ids"):
        if (shared / name).is_dir() and not (job.run / name).is_dir():
            shutil.copytree(shared / name, job.run / f".{name}.copy", dirs_exist_ok=True)
            (job.run / f".{name}.copy").rename(job.run / name)


def _settings(run: Path, sections: Sections, seed: int) -> None:
    run.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump({"seed": seed, **sections}, sort_keys=False)
    (run / "settings.yaml").write_text(text, encoding="utf-8")


def _stage(run: Path, artifact: str, verb: str, *options: str) -> None:
    """Run a verb of genrec; keep its peak memory where it made the artefact anew."""
    manifest = run / artifact / "manifest.json"
    before = manifest.stat().st_mtime_ns if manifest.is_file() else None
    command = [sys.executable, "-m", "genrec", verb, "--config", str(run / "settings.yaml"), "--run", str(run)]
    print("  " + " ".join(["genrec", *command[3:], *options]), file=sys.stderr)
    started = time.monotonic()
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"genrec {verb} ended with {process.returncode}; what it said stands above")
    if manifest.stat().st_mtime_ns != before:
        peaks = _peaks(run) | {artifact: round(usage.ru_maxrss / 1024)}
        (run / "peaks.json").write_text(json.dumps(peaks) + "\n", encoding="utf-8")
    print(f"  {time.monotonic() - started:.0f} s", file=sys.stderr)


def _peaks(run: Path) -> dict[str, int]:
    """Return the peak resident memory of each stage in MiB."""
    return _json(run / "peaks.json") if (run / "peaks.json").is_file() else {}


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def table(rows: Sequence[Row], keys: Sequence[str], figures: Sequence[str]) -> str:
    """Return Markdown: a line for each combination of ``keys`` with the means over its rows (the seeds).

    Metrics stand with their deviation over the seeds where there are several; costs are means.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    costs = {
        "parameters": "parameters",
        "minutes": "minutes",
        "tokens_per_second": "tokens/s",
        "peak_mib": "peak MiB",
    }
    lines = [[*keys, *figures, "seeds", *costs.values()]]
    lines.append(["---"] * len(lines[0]))
    for key, group in groups.items():
        metrics = [_mean_and_deviation([row[name] for row in group]) for name in figures]
        lines.append(
            [*map(str, key), *metrics, str(len(group)), *(_mean(row[name] for row in group) for name in costs)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _mean_and_deviation(values: Sequence[float]) -> str:
    mean = f"{statistics.fmean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def _mean(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = statistics.fmean(known)
    return f"{mean:,.0f}" if mean >= 100 else f"{mean:.1f}"
