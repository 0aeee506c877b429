"""Gather what a run folder holds and write ``report.html``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from genrec import __version__
from genrec.data import Dataset
from genrec.errors import ArtifactError
from genrec.runs import Manifest, open_artifact
from genrec.semantic_ids import Catalogue
from genrec_eval.report.alignment_figures import alignment_figures
from genrec_eval.report.data_figures import data_figures
from genrec_eval.report.result_figures import GENERATOR, bar_figure, coverage_figure, curve_figure
from genrec_eval.report.sid_figures import largest_codes, usage_figures
from genrec_eval.report.sid_map import map_figure
from genrec_eval.report.training_figures import training_figures

FILE_NAME = "report.html"
_LEADING_CUT_OFF = 10


@dataclass
class Section:
    """One part of the page: its figures and facts, or the line that says why it is missing."""

    missing: str = ""
    figures: list[Markup] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    The page needs no other file and no network: styles and figures are inside. A stage that has not run,
    or whose files cannot be read, is named as missing.

    Raises:
        ArtifactError: if there is no run folder, or none of its artefacts is there.
    """
    manifests = {kind: manifest for kind in _BUILDERS if (manifest := _manifest(run, kind))}
    if not manifests:
        raise ArtifactError(f"{run} holds no artefact to report on.", f"Begin with: genrec data --run {run}")
    sections = {kind: _section(run, kind, kind in manifests) for kind in _BUILDERS}
    environment = Environment(
        loader=PackageLoader("genrec_eval"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("report.html.j2").render(
        run=run.resolve().name,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
        manifests=manifests,
        settings={kind: json.dumps(manifest.config, indent=2) for kind, manifest in manifests.items()},
        **sections,
    )
    draft = run / f".{FILE_NAME}.{os.getpid()}"
    draft.write_text(page, encoding="utf-8")
    draft.replace(run / FILE_NAME)
    return run / FILE_NAME


def _manifest(run: Path, kind: str) -> Manifest | None:
    try:
        return open_artifact(run / kind, kind)
    except ArtifactError:
        return None


def _section(run: Path, kind: str, exists: bool) -> Section:
    if not exists:
        return Section(missing=f"Not made yet: genrec {_VERBS[kind]} --run {run}")
    try:
        return _BUILDERS[kind](run / kind)
    except (ArtifactError, OSError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        return Section(missing=f"The files of {run / kind} cannot be read: {error!r}")


def _data(path: Path) -> Section:
    dataset = Dataset.load(path)
    sequences = dataset.sequences
    users, items, rows = len(sequences), len(dataset.item_ids), len(sequences.items)
    facts = {
        "users": users,
        "items": items,
        "interactions": rows,
        "interactions a user": round(rows / users, 1) if users else 0,
        "share of the matrix that is filled": f"{rows / (users * items):.2%}" if users * items else "none",
    }
    return Section(figures=data_figures(dataset), facts=facts)


def _semantic_ids(path: Path) -> Section:
    catalogue = Catalogue.load(path)
    quality = _json(path / "quality.json", {})
    names = _json(path / "code_names.json", {})
    examples = [(catalogue.titles[item], catalogue.sid(item)) for item in range(min(4, len(catalogue)))]
    figures = usage_figures(catalogue)
    if (path / "embeddings.safetensors").is_file():
        figures = [map_figure(path, catalogue, names), *figures]
    facts = {"quality": quality, "examples": examples, "codes": largest_codes(catalogue, names)}
    return Section(figures=figures, facts=facts)


def _generator(path: Path) -> Section:
    log = _json(path / "training_log.json", {}).get("log", [])
    details = open_artifact(path, GENERATOR).details
    return Section(figures=training_figures(log), facts=details)


def _align(path: Path) -> Section:
    rounds = _json(path / "results.json")["rounds"]
    return Section(figures=alignment_figures(rounds), facts={"rounds": rounds})


def _evaluation(path: Path) -> Section:
    results = _json(path / "results.json")
    ranks = pl.read_parquet(path / "ranks.parquet")
    names = list(next(iter(results["metrics"].values()), {}))
    cut_offs = sorted({int(name.partition("@")[2]) for name in names})
    k = next((cut for cut in cut_offs if cut >= _LEADING_CUT_OFF), cut_offs[-1] if cut_offs else 0)
    models = sorted(results["metrics"], key=lambda model: -results["metrics"][model][f"ndcg@{k}"])
    shown = [name for name in names if name.startswith(("recall", "ndcg")) or name.endswith(f"@{k}")]
    figures = []
    if models:
        figures = [bar_figure(ranks, models, "ndcg", k), bar_figure(ranks, models, "recall", k)]
        figures.append(curve_figure(ranks, models, cut_offs[-1]))
        figures.append(coverage_figure(results["metrics"], models, k))
    facts = {"results": results, "models": models, "names": shown, "best": _best_of_each(results["metrics"], shown)}
    facts |= {"examples": _json(path / "examples.json"), "k": k}
    return Section(figures=figures, facts=facts)


def _best_of_each(metrics: dict[str, dict[str, float]], names: list[str]) -> dict[str, float]:
    more_is_better = [name for name in names if not name.startswith(("repeats", "seen", "gini", "popularity"))]
    return {name: max(figures[name] for figures in metrics.values()) for name in more_is_better}


def _json(file: Path, otherwise: Any = None) -> Any:
    if otherwise is not None and not file.is_file():
        return otherwise
    return json.loads(file.read_text(encoding="utf-8"))


_BUILDERS: dict[str, Callable[[Path], Section]] = {
    "evaluation": _evaluation,
    "semantic_ids": _semantic_ids,
    "generator": _generator,
    "align": _align,
    "dataset": _data,
}
_VERBS = {
    "evaluation": "evaluate",
    "semantic_ids": "tokenize",
    "generator": "train",
    "align": "align",
    "dataset": "data",
}
