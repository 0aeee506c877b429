"""A service from the artefacts of a run; whatever does not fit stops the start with one message."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from genrec.console import remark
from genrec.data.dataset import Dataset
from genrec.decoding.recommender import Recommender
from genrec.decoding.think.form import ThoughtForm
from genrec.errors import ArtifactError, ConfigError
from genrec.models.generator import local_folder
from genrec.runs import Manifest, open_artifact
from genrec.runs.artifact import digest_files
from genrec.serving.config import ServeConfig
from genrec.serving.deployment import Domains, Live
from genrec.serving.histories import People, open_histories
from genrec.serving.neighbours import Neighbours
from genrec.serving.service import Model, Service

_PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".webp"}


def load_service(
    run: Path,
    config: ServeConfig,
    generator: str | Path | None = None,
    terms: Mapping[str, Sequence[str]] | None = None,
    *,
    apart: bool = False,
) -> Service:
    """Load a run's generator, catalogue, users and vectors, and the further generators of ``serve.models``.

    Args:
        run: the run folder; its ``dataset`` and ``semantic_ids`` may be missing.
        config: the service's settings.
        generator: a generator's folder or hub id, instead of the run's.
        terms: the categories of items, for explanations.
        apart: whether the tree search gets a process of its own, so that it and the answers to requests do not wait
            for each other. A model that writes thoughts stays in this one.

    Raises:
        ArtifactError: if an artefact is missing, not what was written, or does not fit the others.
        ConfigError: if ``serve.histories`` names no store, or two models have one name.
        MissingPackageError: if ``serve.engine`` needs a package that is not installed.
    """
    own = local_folder(generator or run / "generator")
    name = run.resolve().name
    if name in config.models:
        raise ConfigError(f"serve.models has a {name!r}, as the run itself is called.", "Give it another name.")
    dataset = _dataset(run)
    loaded = [_loaded(name, own, config, apart)]
    for other, folder in config.models.items():
        loaded.append(_loaded(other, _generator_of(Path(folder)), config, apart))
        _check_same_catalogue(loaded[0], loaded[-1])
    store, domains, ids = open_histories(config.histories, run), _domains(dataset), loaded[0].ids
    models = {}
    for one in loaded:
        live = Live(one.name, one.recommender, one.digest, ids, run, domains, one.form)
        models[one.name] = Model(live, People(store, dataset, one.recommender.generator.features))
    return Service(models, _neighbours(run / "semantic_ids"), config, _pictures(dataset), terms)


class _Loaded(NamedTuple):
    name: str
    folder: Path
    recommender: Recommender
    digest: str
    ids: str | None  # the digest of the semantic IDs that it was trained on
    form: ThoughtForm | None


def _loaded(name: str, folder: Path, config: ServeConfig, apart: bool) -> _Loaded:
    manifest = _whole(folder, "generator")
    device = None if config.device == "auto" else config.device
    form = _form(folder, config.engine)
    apart = apart and config.engine == "tree" and form is None
    recommender = Recommender.from_pretrained(
        folder, config.max_batch, config.engine, device=device, apart=apart, cache_mb=config.cache_mb
    )
    return _Loaded(name, folder, recommender, manifest.digest, manifest.inputs.get("semantic_ids"), form)


def _generator_of(folder: Path) -> Path:
    """Return the generator of a run or of an alignment, or the folder itself if it is one."""
    return local_folder(folder / "generator" if (folder / "generator").is_dir() else folder)


def _check_same_catalogue(own: _Loaded, other: _Loaded) -> None:
    ours, theirs = own.recommender.catalogue, other.recommender.catalogue
    if ours.digest != theirs.digest:
        raise ArtifactError(
            f"serve.models.{other.name}: {other.folder} was trained on another catalogue ({len(theirs):,} items of "
            f"{theirs.codes.shape[1]} codes) than {own.folder} ({len(ours):,} of {ours.codes.shape[1]}).",
            "Serve it by itself, or train it on the same semantic IDs.",
        )


def _form(folder: Path, engine: str) -> ThoughtForm | None:
    """Return how a model that thinks is asked; vLLM has its weights alone, and thoughts are written without it."""
    form = ThoughtForm.load(folder)
    if form is not None and engine == "vllm":
        remark("With vLLM no thoughts are written: explanations say what items and histories share.")
        return None
    return form


def _whole(folder: Path, kind: str) -> Manifest:
    """Return an artefact's manifest after a look at its files; the model card may have been edited.

    Raises:
        ArtifactError: naming every file that is missing or not what was written.
    """
    manifest = open_artifact(folder, kind)
    there = digest_files(folder)
    broken = [name for name, was in manifest.files.items() if there.get(name) != was and not name.endswith(".md")]
    if broken:
        raise ArtifactError(
            f"{folder} is not what was written: {', '.join(broken)} missing or changed.",
            "Copy it again from where it was made, or make it again.",
        )
    return manifest


def _dataset(run: Path) -> Dataset | None:
    if not (run / "dataset").exists():
        return None
    _whole(run / "dataset", "dataset")
    return Dataset.load(run / "dataset")


def _neighbours(folder: Path) -> Neighbours:
    if folder.exists():
        _whole(folder, "semantic_ids")
    return Neighbours.load(folder)


def _domains(dataset: Dataset | None) -> Domains:
    """Return the items of each domain: those that it has interactions with."""
    if dataset is None or "domain" not in dataset.interactions.columns:
        return {}
    pairs = dataset.interactions.select("domain", "item_id").drop_nulls().unique()
    found: dict[str, set[str]] = defaultdict(set)
    for domain, item in pairs.iter_rows():
        found[domain].add(item)
    return {domain: frozenset(items) for domain, items in found.items()}


def _pictures(dataset: Dataset | None) -> dict[str, Path]:
    if dataset is None or "image" not in dataset.items.columns:
        return {}
    rows = dataset.items.select("item_id", pl.col("image").cast(pl.String)).drop_nulls().iter_rows()
    files = {item: Path(file) for item, file in rows}
    return {item: file for item, file in files.items() if file.suffix.lower() in _PICTURES}
