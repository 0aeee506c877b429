"""One planted log for all tests of this folder, and the users fitted to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from genrec.data import Dataset
from genrec_eval.simulation.config import UsersConfig
from genrec_eval.simulation.log import Log, read_log
from genrec_eval.simulation.model import UserModel, fit_users
from tests.eval.simulation.worlds import World

RATINGS = UsersConfig(min_value=4)


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The log of a :class:`World`."""
    return World().write(tmp_path_factory.mktemp("planted") / "run")


@pytest.fixture(scope="session")
def log(planted: Dataset) -> Log:
    """The same as the simulator reads it."""
    return read_log(planted, RATINGS)


@pytest.fixture(scope="session")
def model(log: Log) -> UserModel:
    """Users fitted to it."""
    return fit_users(log, RATINGS)


@pytest.fixture
def run(planted: Dataset, tmp_path: Path) -> Path:
    """A run folder of the test's own with the planted dataset."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "dataset").symlink_to(planted.path)
    return folder
