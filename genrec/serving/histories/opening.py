"""A store of feedback by its URL."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from genrec.errors import ConfigError, MissingPackageError
from genrec.serving.histories.base import HistoryStore
from genrec.serving.histories.sqlite import SQLiteHistories

FILE = "feedback.sqlite"
_ENVIRONMENT = "env:"


def open_histories(url: str, run: Path) -> HistoryStore:
    """Return the store that ``serve.histories`` names.

    Args:
        url: ``sqlite`` for a file in the run folder, ``sqlite:///FILE``, ``postgresql://…``, ``redis://…``, or
            ``env:NAME`` for the URL in an environment variable, which no list of processes shows.
        run: the run folder.

    Raises:
        ConfigError: if the URL is of no known kind.
        ArtifactError: if the store cannot be opened.
        MissingPackageError: if the store's client is not installed.
    """
    if url.startswith(_ENVIRONMENT):
        url = _from_environment(url.removeprefix(_ENVIRONMENT))
    kind = url.partition("://")[0]
    if kind in ("postgresql", "postgres"):
        return _postgres(url)
    if kind in ("redis", "rediss"):
        return _redis(url)
    return SQLiteHistories(run / FILE if url == "sqlite" else _file(url))


def _from_environment(name: str) -> str:
    if url := os.environ.get(name):
        return url
    raise ConfigError(
        f"serve.histories is env:{name}, but there is no environment variable {name!r}.",
        "Set it to the URL of a store.",
    )


def _file(url: str) -> Path:
    parts = urlsplit(url) if url.startswith("sqlite:") else None
    if parts is None or parts.netloc or len(parts.path) < 2:
        # Only the beginning is shown: a URL may hold a password.
        raise ConfigError(
            f"serve.histories begins with {url.partition(':')[0]!r} and names no store of histories.",
            "Use sqlite, sqlite:///FILE (four slashes before an absolute path), postgresql://USER@HOST/DATABASE, "
            "redis://HOST:PORT/NUMBER, or env:NAME for a URL in an environment variable.",
        )
    return Path(unquote(parts.path[1:]))


def _postgres(url: str) -> HistoryStore:
    _need("psycopg", "postgres")
    _need("psycopg_pool", "postgres")
    from genrec.serving.histories.postgres import PostgresHistories

    return PostgresHistories(url)


def _redis(url: str) -> HistoryStore:
    _need("redis", "redis")
    from genrec.serving.histories.redis import RedisHistories

    return RedisHistories(url)


def _need(package: str, extra: str) -> None:
    if find_spec(package) is None:
        raise MissingPackageError(package, "This store of histories", f"pip install 'genrec[{extra}]'")
