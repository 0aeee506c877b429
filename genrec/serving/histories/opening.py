"""A store of feedback by its URL."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from genrec.errors import ConfigError
from genrec.serving.histories.base import HistoryStore
from genrec.serving.histories.sqlite import SQLiteHistories

FILE = "feedback.sqlite"


def open_histories(url: str, run: Path) -> HistoryStore:
    """Return the store that ``serve.histories`` names.

    Args:
        url: ``sqlite`` for a file in the run folder, or ``sqlite:///FILE``.
        run: the run folder.

    Raises:
        ConfigError: if the URL is of no known kind.
        ArtifactError: if the store cannot be opened.
    """
    if url == "sqlite":
        return SQLiteHistories(run / FILE)
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        return SQLiteHistories(Path(unquote(parts.path[1:])))
    raise ConfigError(
        f"serve.histories is {url!r}, which names no store of histories.",
        "Use sqlite, or sqlite:///FILE (four slashes before an absolute path).",
    )
