"""Fixtures that every test may use: fixed seeds, the data beside the repository, the root."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Start every test from the same random state; torch only where a test has imported it already."""
    random.seed(0)
    np.random.seed(0)  # libraries still draw from the global state
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator that is the same in every test."""
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}: the real data is not beside this checkout")
    return folder
