"""scripts/setup: one clear line for what stands in its way, and no second installation."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def checkout(tmp_path: Path, root: Path) -> Path:
    """A checkout without .venv, in which no Python can be run by accident."""
    for folder in ("scripts", "requirements"):
        shutil.copytree(root / folder, tmp_path / folder)
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def fake_python(checkout: Path, body: str) -> str:
    file = checkout / "python"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def setup(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [checkout / "scripts" / "setup"]
    env = {**os.environ, "GENREC_DEVICE": "cpu", **variables}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)


def mark(checkout: Path, device: str) -> str:
    parts = (
        checkout / "requirements" / f"{device}.txt",
        checkout / "pyproject.toml",
        checkout / "scripts" / "setup",
    )
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
    return f"{device} {digest[:16]}\n"


def test_an_unknown_device_is_refused(checkout: Path) -> None:
    done = setup(checkout, GENREC_DEVICE="tpu")
    assert (done.returncode, done.stderr) == (2, "setup: GENREC_DEVICE is cpu or gpu, not 'tpu'.\n")


def test_a_missing_python_is_named(checkout: Path) -> None:
    done = setup(checkout, PYTHON="python9.9")
    assert done.returncode == 2
    assert "there is no python9.9" in done.stderr


def test_an_old_python_is_refused(checkout: Path) -> None:
    python = fake_python(checkout, 'case "$1" in --version) echo Python 3.8.1;; *) exit 1;; esac')
    done = setup(checkout, PYTHON=python)
    assert done.returncode == 2
    assert "Python 3.8.1 is too old" in done.stderr


def test_a_python_without_venv_is_one_line(checkout: Path) -> None:
    python = fake_python(checkout, 'case "$2" in *ensurepip*) exit 1;; esac')
    done = setup(checkout, PYTHON=python)
    assert done.returncode == 2
    assert "apt install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_complete_environment_is_left_alone(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "genrec-installed").write_text(mark(checkout, "cpu"))
    done = setup(checkout, PYTHON="python9.9")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["genrec-installing", "genrec-installed"])
def test_an_interrupted_or_other_environment_is_begun_anew(name: str, checkout: Path) -> None:
    """The fake Python stops the installation right after the point where the old one has been removed."""
    python = fake_python(checkout, 'case "$2" in venv) exit 3;; esac')
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / name).write_text(mark(checkout, "gpu"))
    (checkout / ".venv" / "half").write_text("installed")
    assert setup(checkout, PYTHON=python).returncode == 3
    assert not (checkout / ".venv" / "half").exists()


def test_a_changed_lock_is_installed_again(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "genrec-installed").write_text(mark(checkout, "cpu"))
    with (checkout / "requirements" / "cpu.txt").open("a") as lock:
        lock.write("something==1.0\n")
    assert setup(checkout, PYTHON="python9.9").returncode == 2
