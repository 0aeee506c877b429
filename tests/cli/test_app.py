"""The command line as a whole: exit codes, messages, and what goes to which stream."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from genrec.cli.app import VERBS, main
from genrec.cli.common import SECTIONS, section_kinds

Run = Callable[..., "Done"]

TAKES_SETTINGS = ("demo", "data", "tokenize", "train", "evaluate")
# A verb that sends itself a signal or raises an error, run through the real main().
RIGGED = """
import errno, os, signal, sys
import genrec.cli.app as cli
@cli.app.command()
def rigged(what: str) -> None:
    print("begun", flush=True)
    if what == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    elif what == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/x")
    elif what == "defect":
        raise RuntimeError("a defect of genrec")
    elif what == "many":
        for number in range(200_000):
            print(number)
@cli.app.command()
def other() -> None: ...
cli.main()
"""


@dataclass(frozen=True)
class Done:
    """What a call of the command line came to."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the real main() in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["genrec", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return call


def rigged(what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RIGGED, "rigged", what], capture_output=True, text=True, timeout=120
    )


def assert_refused(done: Done, *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr


def test_all_verbs_are_there(run: Run) -> None:
    done = run("--help")
    assert done.returncode == 0
    assert VERBS[:9] == ("demo", "init", "data", "tokenize", "train", "tune", "reward", "align", "evaluate")
    assert VERBS[9:] == (
        "simulate",
        "report",
        "off-policy",
        "recommend",
        "serve",
        "think",
        "catalogue",
        "loid",
        "doctor",
    )
    for verb in VERBS:
        assert f" {verb} " in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_a_help_page_with_an_example(run: Run, verb: str) -> None:
    done = run(verb, "--help")
    assert done.returncode == 0
    assert f"genrec {verb}" in done.stdout.split("Example:")[1]


def test_version(run: Run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "genrec")


def test_an_unknown_verb_gets_a_suggestion(run: Run) -> None:
    assert_refused(run("tokenise"), "No such command 'tokenise'", "Did you mean 'tokenize'?")


def test_an_unknown_option_gets_a_suggestion(run: Run) -> None:
    assert_refused(run("train", "--confgi", "x"), "--confgi", "--config")


@pytest.mark.parametrize("verb", TAKES_SETTINGS)
def test_bad_settings_are_one_message_for_every_verb(run: Run, verb: str, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("train: {epoch: 3}\nseed: x\n")
    done = run(verb, "--config", "my.yaml", "dta.k=1")
    assert_refused(done, "3 problems", "train.epoch", "Did you mean 'epochs'", "Did you mean 'data'", "seed is 'x'")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "my.yaml"]


@pytest.mark.parametrize("verb", TAKES_SETTINGS)
def test_a_missing_file_is_one_message_for_every_verb(run: Run, verb: str) -> None:
    assert_refused(run(verb, "--config", "none.yaml"), "no configuration file none.yaml")


@pytest.mark.parametrize("verb", TAKES_SETTINGS)
def test_a_dry_run_shows_the_settings_and_makes_nothing(run: Run, verb: str, tmp_path: Path) -> None:
    done = run(verb, "--dry-run", "--run", "runs/here", "seed=7")
    assert done.returncode == 0, done.stderr
    assert "seed: 7" in done.stdout
    assert "run: runs/here" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tokenize",), "genrec data --run runs/none"),
        (("train",), "genrec data --run runs/none"),
        (("evaluate",), "genrec "),
        (("report",), "genrec "),
        (("recommend", "--user", "1"), "genrec "),
    ],
)
def test_a_missing_stage_names_the_verb_that_makes_it(run: Run, words: tuple[str, ...], message: str) -> None:
    assert_refused(run(*words, "--run", "runs/none"), "Error:", message)


def test_a_run_folder_that_is_a_file_is_one_message(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    assert_refused(run("data", "--run", "taken"), "taken")


def test_an_interrupt_is_130_with_one_remark() -> None:
    done = rigged("interrupt")
    assert done.returncode == 130
    assert done.stdout == "begun\n"
    assert "Interrupted." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_one_message() -> None:
    done = rigged("full")
    assert done.returncode == 2
    assert done.stderr == "Error: No space left on device: runs/x\n"


def test_a_defect_keeps_its_traceback() -> None:
    done = rigged("defect")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "RuntimeError: a defect of genrec" in done.stderr


@pytest.mark.parametrize("words", ["many", "little"])
def test_a_reader_that_goes_away_is_no_reason_to_complain(words: str) -> None:
    command = [sys.executable, "-c", RIGGED, "rigged", words]
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    _, stderr = process.communicate(timeout=120)
    assert stderr == ""
    assert process.returncode != -signal.SIGPIPE


def test_help_is_quick_because_it_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys, runpy\nsys.argv = ['genrec', '--help']\n"
        "try:\n    runpy.run_module('genrec', run_name='__main__')\nexcept SystemExit: pass\n"
        "print([name for name in ('torch', 'transformers', 'polars', 'numpy', 'datasets', 'faiss', 'matplotlib',"
        " 'sklearn', 'pandas') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert "demo" in done.stdout
    assert done.stderr.strip() == "[]"


def test_settings_classes_are_light_and_described(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom genrec.cli.common import section_kinds\nsection_kinds()\n"
        "print([name for name in ('torch', 'transformers', 'datasets', 'faiss') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr
    assert set(section_kinds()) == set(SECTIONS)
    for name, kind in section_kinds().items():
        for field, about in kind.model_fields.items():
            assert about.description, f"{name}.{field} has no description"
            assert not about.is_required(), f"{name}.{field} has no default"
