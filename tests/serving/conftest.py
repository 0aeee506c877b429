"""One tiny run and one service of it for all tests that leave the two as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.serving.worlds import served, write_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a decoder; not to be changed."""
    return write_run(tmp_path_factory.mktemp("serving") / "run")


@pytest.fixture(scope="session")
def client(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service of the run; feedback goes elsewhere, and no test gives it to a user of the log."""
    with served(run, histories=f"sqlite:///{tmp_path_factory.mktemp('feedback')}/feedback.sqlite") as client:
        yield client
