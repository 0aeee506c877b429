"""The stage ``data``: from a raw log and a catalogue to the dataset artefact.

Everything streams: the log is typed into a scratch file, checked there, divided into sorted chunks of whole
users, and written chunk by chunk. See :mod:`genrec.data.chunks` for what is held in memory.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from genrec.console import remark
from genrec.data import importers
from genrec.data.build import build_dataset
from genrec.data.config import DataConfig, Split
from genrec.data.importers.source import ROW, Source, Table
from genrec.runs import Draft, Manifest, is_current, new_artifact, open_artifact

ARTIFACT = "dataset"


def make_dataset(config: DataConfig, run: Path, seed: int, *, force: bool = False) -> Manifest:
    """Import, check, filter and split a log into ``run/dataset``.

    Args:
        config: the settings of the section ``data``.
        run: the run folder.
        seed: decides who is held out when users are split.
        force: make it again even if neither the settings nor the files have changed.

    Raises:
        DataError: with every problem of the input at once.
        UnknownNameError: if there is no such importer.
    """
    importer = importers.find(config.source)
    files = importer.locate(config)
    path = run / ARTIFACT
    inputs = {f"{file.parent.name}/{file.name}": _digest(file) for file in files}
    settings = {**config.model_dump(mode="json"), "seed": seed if config.split.by == "by_user" else None}
    if config.source in importers.REVISIONS:
        settings["revision"] = importers.REVISIONS[config.source]
    if not force and is_current(path, ARTIFACT, settings, inputs):
        remark(f"{path} is up to date.")
        return open_artifact(path, ARTIFACT)
    with new_artifact(path, ARTIFACT, settings, inputs, seed) as draft:
        draft.details["sources"] = [
            {"file": str(file), "bytes": file.stat().st_size, "sha256": digest}
            for file, digest in zip(files, inputs.values(), strict=True)
        ]
        work = _work_folder(draft)
        build_dataset(importer.read(config, files, work), config, seed, draft, work)
        shutil.rmtree(work)
    return open_artifact(path, ARTIFACT)


def write_dataset(
    path: Path,
    items: pl.DataFrame | None,
    interactions: pl.DataFrame,
    config: DataConfig | None = None,
    seed: int = 0,
    users: pl.DataFrame | None = None,
) -> Manifest:
    """Make a dataset artefact from frames in memory, checked and split like any other.

    Args:
        path: the artefact's folder.
        items: ``item_id``, ``title`` and further text columns; None for items without text.
        interactions: ``user_id``, ``item_id`` and any other column of the canonical log; without
            ``timestamp`` the order of the rows counts; a ``split`` column is taken as it is unless ``config``
            says otherwise.
        config: filters, sessions, split and problems; its source is not used.
        seed: decides who is held out when users are split.
        users: ``user_id`` and columns that say who the user is.

    Raises:
        DataError: with every problem of the frames at once.
    """
    if config is None:
        config = DataConfig(split=Split(by="given" if "split" in interactions.columns else "leave_one_out"))
    log = Table("interactions", interactions.lazy().with_row_index(ROW, offset=1))
    catalogue, people = (
        None if frame is None else Table(name, frame.lazy().with_row_index(ROW, offset=1))
        for name, frame in (("items", items), ("users", users))
    )
    settings: dict[str, Any] = {**config.model_dump(mode="json"), "source": "frames"}
    with new_artifact(path, ARTIFACT, settings, seed=seed) as draft:
        work = _work_folder(draft)
        build_dataset(Source(log, catalogue, users=people), config, seed, draft, work)
        shutil.rmtree(work)
    return open_artifact(path, ARTIFACT)


def _work_folder(draft: Draft) -> Path:
    """Return a scratch folder inside the draft, so that whatever ends the process, it is swept up with it."""
    work = draft.path / "work"
    work.mkdir()
    return work


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
