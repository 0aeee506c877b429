"""``genrec simulate`` as a person types it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.cli.app import main
from genrec.data.config import DataConfig, Split
from genrec.data.make import write_dataset
from tests.eval.simulation.worlds import World

Call = Callable[..., tuple[int, str, str]]
RATINGS = "simulate.users.min_value=4"
QUICK = ["simulate.ab.days=2", "simulate.ab.pre_days=1", "simulate.ab.length=4"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulate") / "films"
    World(users=80, items=24).write(folder)
    return folder


@pytest.fixture
def genrec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the real main(); return code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["genrec", "simulate", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    return call


def test_users_are_fitted_and_shown_and_then_given_as_json(run: Path, genrec: Call) -> None:
    code, out, err = genrec("users", "--run", str(run), RATINGS)
    assert code == 0, err
    assert out.startswith("80 users, 24 items, 4 categories")
    again = genrec("users", "--run", str(run), RATINGS, "--json")
    assert "up to date" in again[2]
    report = json.loads(again[1].splitlines()[-1])
    assert f"{report['answers']['simulator']['auc']:.4f}" in out
    assert f"{report['learned']['fatigue']['weight']:.3f}" in out
    assert f"{report['visits']['returned']['log']:.1%} in the log" in out
    assert Path(report["path"]) == run / "simulator"


def test_a_test_is_run_and_shown(run: Path, genrec: Call) -> None:
    code, out, err = genrec("ab", f"{run}:popularity", f"{run}:item_knn", RATINGS, *QUICK)
    assert code == 0, err
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert lines["A"].startswith(f"A  {run}:popularity")
    found = json.loads(
        genrec("ab", f"{run}:popularity", f"{run}:item_knn", RATINGS, *QUICK, "--json")[1].splitlines()[-1]
    )
    for name, lift in found["lifts"].items():
        assert f"{lift['relative']:+.2%}" in lines[name]
    assert sum(found["users"].values()) == 80
    assert "not people" in out


def test_the_users_may_be_of_another_run_and_a_file_may_name_it(run: Path, genrec: Call, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(
        f"run: {run}\nsimulate: {{users: {{min_value: 4}}, ab: {{days: 1, pre_days: 0}}}}\n"
    )
    systems = f"{run}:popularity", f"{run}:item_knn"
    code, out, err = genrec("ab", *systems, "--config", str(tmp_path / "my.yaml"), "--json")
    assert code == 0, err
    assert json.loads(out.splitlines()[-1])["path"] == str(run / "ab_test")
    code, _, err = genrec("ab", *systems, "--run", str(tmp_path), RATINGS)
    assert code == 2
    assert f"There is no dataset artefact at {tmp_path}" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["users", "--run", "{run}"], "Set simulate.users.min_value=X (values here go from 1 to 5)"),
        (["users", "--run", "none", RATINGS], "Make it first: genrec data --run none"),
        (["users", "--run", "{run}", "simulate.users.min_value=1"], "nothing but likes"),
        (["users", "--run", "{run}", "simulate.users.min_vlaue=1"], "Did you mean 'min_value'"),
        (["ab", "{run}", "{run}:popularity", RATINGS], "Make it first: genrec train --run"),
        (["ab", "{run}:popularity", "{run}:popular", RATINGS], "Unknown baseline 'popular'. Did you mean"),
        (["ab", "{run}:popularity", "{run}:item_knn", RATINGS, "simulate.ab.share=1"], "less than 1"),
    ],
)
def test_mistakes_end_with_one_message(words: list[str], message: str, run: Path, genrec: Call) -> None:
    code, out, err = genrec(*(word.format(run=run) for word in words))
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_generator_alone_does_not_say_whose_users(genrec: Call, tmp_path: Path) -> None:
    (tmp_path / "generator").mkdir()
    (tmp_path / "generator" / "manifest.json").write_text("{}")
    code, _, err = genrec("ab", str(tmp_path / "generator"), "runs/films", RATINGS)
    assert code == 2
    assert "Add --run RUN." in err


def test_a_log_without_times_has_no_visits(genrec: Call, tmp_path: Path) -> None:
    rng, users = np.random.default_rng(0), np.repeat(np.arange(40), 8)
    events = {
        "user_id": [f"u{user:02}" for user in users],
        "item_id": [f"i{item:02}" for item in rng.integers(20, size=len(users))],
        "behavior": [("skip", "click")[answer] for answer in rng.integers(2, size=len(users))],
    }
    write_dataset(tmp_path / "run" / "dataset", None, pl.DataFrame(events), DataConfig(split=Split(by="by_user")))
    clicks = "simulate.users.behaviors=[click]"
    code, out, err = genrec("users", "--run", str(tmp_path / "run"), clicks)
    assert code == 0, err
    assert "users look at whole lists and come once a day" in out
    assert out.count("no times") == 2
    code, out, err = genrec("ab", f"{tmp_path}/run:popularity", f"{tmp_path}/run:popularity", clicks, *QUICK)
    assert code == 0, err
    assert "every user comes once a day" in err
    assert "visits" not in out
    assert "8.0 items a user" in out  # two days of four


def test_a_dry_run_does_nothing(genrec: Call, tmp_path: Path) -> None:
    code, out, _ = genrec("ab", "a:popularity", "b", "--run", str(tmp_path / "none"), "--dry-run", RATINGS)
    assert code == 0
    assert "min_value: 4" in out
    assert not (tmp_path / "none").exists()
