"""Write an artefact folder so that it is either whole or not there.

Work goes into a hidden sibling folder; when it is complete, a manifest with the digest of every file is
added, everything is flushed to disk, and the folder takes the artefact's name by rename. A killed process
leaves the earlier artefact as it was, and whoever comes next sweeps up what the dead one left.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from genrec.errors import ArtifactError
from genrec.runs.manifest import FILE_NAME, FORMAT, Manifest, plain
from genrec.runs.swap import flush, lock, new_path, old_path, swap, sweep

_VERB_OF = {
    "dataset": "data",
    "semantic_ids": "tokenize",
    "generator": "train",
    "evaluation": "evaluate",
    "baseline": "evaluate",
    "simulator": "simulate users",
    "ab_test": "simulate ab",
    "reward": "reward",
    "loid": "loid",
    "rationales": "think rationales",
    "think_ahead": "think ahead",
}


@dataclass
class Draft:
    """An artefact in the making: write files under ``path``, put figures worth keeping into ``details``.

    ``earlier_seconds`` is the time spent on it before the draft was opened.
    """

    path: Path
    details: dict[str, Any] = field(default_factory=dict)
    earlier_seconds: float = 0.0


@contextmanager
def new_artifact(
    path: Path,
    kind: str,
    config: dict[str, Any],
    inputs: dict[str, str] | None = None,
    seed: int | None = None,
) -> Iterator[Draft]:
    """Yield a draft whose files become the artefact ``path`` when the block ends without an exception.

    Args:
        path: the artefact's folder, replaced as a whole if it exists.
        kind: what it is: ``dataset``, ``semantic_ids``, ``generator``, ``evaluation``.
        config: the settings that made it; compared by :func:`is_current`.
        inputs: the digest of every artefact it was made from, by name.
        seed: the seed of its random choices.

    Raises:
        ArtifactError: if ``path`` cannot be made, is a file or a folder that genrec did not write, or is
            being written by another process.
    """
    path = Path(path)
    _make_parent(path)
    with lock(path):
        sweep(path)
        _refuse_foreign(path)
        started = time.monotonic()
        manifest = Manifest.begin(kind, config, inputs, seed)
        draft = Draft(new_path(path))
        draft.path.mkdir()
        try:
            yield draft
            manifest.details = plain(draft.details)
            manifest.seconds = round(draft.earlier_seconds + time.monotonic() - started, 3)
            manifest.files = digest_files(draft.path)
            manifest.digest = _digest_of(kind, manifest.files)
            manifest.write(draft.path)
            flush(draft.path)
            swap(draft.path, path)
        finally:
            sweep(path)


def open_artifact(path: Path, kind: str) -> Manifest:
    """Return the manifest of the artefact at ``path``.

    Raises:
        ArtifactError: if there is none, it cannot be read, or it is of another kind.
    """
    path = Path(path)
    remedy = f"Make it first: genrec {_VERB_OF.get(kind, kind)} --run {path.parent}"
    again = f"Make it again: genrec {_VERB_OF.get(kind, kind)} --run {path.parent}"
    try:
        text = _read_manifest(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path / FILE_NAME} cannot be read: {error}", again) from error
    if text is None:
        raise ArtifactError(f"There is no {kind} artefact at {path}.", remedy)
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactError(f"{path / FILE_NAME} is not a genrec manifest.", again) from error
    if manifest.kind != kind:
        raise ArtifactError(f"{path} is a {manifest.kind} artefact, but a {kind} is needed here.", remedy)
    if manifest.format != FORMAT:
        problem = f"{path} has format {manifest.format}, and this genrec reads format {FORMAT}."
        raise ArtifactError(problem, again)
    return manifest


def is_current(path: Path, kind: str, config: dict[str, Any], inputs: dict[str, str] | None = None) -> bool:
    """Say whether ``path`` already holds what ``config`` and ``inputs`` would make again.

    ``config`` must hold whatever decides the outcome, so also the seed where one is drawn from.
    """
    try:
        manifest = open_artifact(path, kind)
    except ArtifactError:
        return False
    same = manifest.config == plain(config) and manifest.inputs == (inputs or {})
    return same and all((Path(path) / name).is_file() for name in manifest.files)


def digest_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below ``folder`` except its manifest, by relative path."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != folder / FILE_NAME)
    digests = {}
    for file in files:
        with file.open("rb") as stream:
            digests[file.relative_to(folder).as_posix()] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def _digest_of(kind: str, files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps([kind, files], sort_keys=True).encode()).hexdigest()


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"The run folder {path.parent} cannot be made: {error.strerror}."
        raise ArtifactError(problem, "Choose another --run folder.") from error


def _refuse_foreign(path: Path) -> None:
    foreign = path.exists() and not path.is_dir()
    if foreign or (path.is_dir() and any(path.iterdir()) and not (path / FILE_NAME).is_file()):
        raise ArtifactError(f"{path} exists and was not written by genrec.", "Choose another --run folder.")


def _read_manifest(path: Path) -> str | None:
    """Return the manifest's text, mending what a killed writer left and waiting out a living one's renames."""
    for _ in range(50):
        try:
            return (path / FILE_NAME).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            if not _may_come(path):
                return None
            time.sleep(0.01)
    return None


def _may_come(path: Path) -> bool:
    if old_path(path).exists():
        try:
            with lock(path, patience=0):
                sweep(path)
        except ArtifactError:
            pass  # a living writer is between its two renames, or the folder is read-only
        return True
    # Between our look at the manifest and now a writer may have put a new artefact in place.
    return (path / FILE_NAME).is_file()
