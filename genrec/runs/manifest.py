"""The manifest of an artefact: what made it, from what, and with which versions."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from genrec import __version__

FILE_NAME = "manifest.json"
FORMAT = 1
_PACKAGES = ("torch", "transformers", "accelerate", "datasets", "polars", "faiss-cpu", "sentence-transformers")


class Manifest(BaseModel):
    """Provenance of one artefact, stored beside its files as ``manifest.json``.

    ``config`` and ``inputs`` decide whether an artefact is still current; ``digest`` identifies its
    contents and is what the next stage records as its input.
    """

    kind: str
    format: int = FORMAT
    created: str = ""
    seconds: float = 0.0
    command: list[str] = Field(default_factory=list)
    config: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    seed: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    git_commit: str | None = None
    files: dict[str, str] = Field(default_factory=dict)
    digest: str = ""
    details: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def begin(
        cls, kind: str, config: dict[str, Any], inputs: dict[str, str] | None = None, seed: int | None = None
    ) -> Manifest:
        """Return a manifest that describes this process and the work it is about to do."""
        return cls(
            kind=kind,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            command=[Path(sys.argv[0]).name, *sys.argv[1:]],
            config=plain(config),
            inputs=inputs or {},
            seed=seed,
            versions=installed_versions(),
            git_commit=_git_commit(),
        )

    def write(self, folder: Path) -> None:
        """Write the manifest into ``folder``."""
        (folder / FILE_NAME).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def plain(data: dict[str, Any]) -> dict[str, Any]:
    """Return ``data`` as it comes back from JSON: tuples as lists, NumPy as numbers, paths and dates as text."""
    result: dict[str, Any] = json.loads(json.dumps(data, default=_plain_value))
    return result


def _plain_value(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)


def installed_versions() -> dict[str, str]:
    """Return the versions of genrec, Python and the packages that shape results."""
    versions = {"genrec": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _git_commit() -> str | None:
    """Return the commit of the source tree genrec runs from (``…-dirty`` where it was changed since), or None."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
