"""Kill -9 a writer at random moments: the artefact is always whole, and never goes back to an older version."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from genrec.runs import digest_files, open_artifact

WRITER = Path(__file__).with_name("artifact_writer.py")
ROUNDS = 12


def start(path: Path, first: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(WRITER), str(path), str(first)], stdout=subprocess.PIPE, text=True)


def kill_soon(writer: subprocess.Popen[str], delay: float) -> int:
    """Wait for the first version, then ``delay`` seconds, kill, and return the last version it reported."""
    assert writer.stdout is not None
    reported = [writer.stdout.readline()]
    time.sleep(delay)
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate()
    complete = [line for line in [*reported, *rest.splitlines(keepends=True)] if line.endswith("\n")]
    return int(complete[-1])


def check_whole(path: Path) -> int:
    manifest = open_artifact(path, "dataset")
    assert digest_files(path) == manifest.files
    number = manifest.details["number"]
    assert (path / "first.txt").read_text() == str(number)
    assert (path / "sub" / "second.txt").read_text() == str(number) * 20_000
    return number


def test_the_artefact_is_whole_after_every_kill(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "run" / "dataset"
    seen = 0
    for delay in rng.uniform(0, 0.1, ROUNDS):
        reported = kill_soon(start(path, seen + 1), float(delay))
        number = check_whole(path)
        assert number >= reported > seen
        seen = number


def test_a_reader_beside_a_living_writer_always_finds_an_artefact(tmp_path: Path) -> None:
    path = tmp_path / "run" / "dataset"
    writer = start(path, 1)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        numbers = [open_artifact(path, "dataset").details["number"]]
        deadline = time.monotonic() + 60
        while numbers[-1] < numbers[0] + 20 and time.monotonic() < deadline:
            numbers.append(open_artifact(path, "dataset").details["number"])
    finally:
        writer.kill()
        writer.communicate()
    assert numbers == sorted(numbers)
    assert numbers[-1] >= numbers[0] + 20, "the writer did not get on while we read"
