"""``genrec reward`` from the command line: the table, what a cut-off call leaves, every bad input."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from genrec.cli.app import main
from genrec.cli.common import section_kinds
from genrec.config import load_settings
from genrec_alignment.reward.pair import ModelPair
from tests.alignment.reward.worlds import LIKES, SMALL, make_world, write

RECIPES = sorted((Path(__file__).parents[2] / "alignment" / "recipes").glob("reward-*.yaml"))
TINY = {
    "objectives": LIKES,
    "session_length": 3,
    "features": ["value"],
    "network": SMALL,
    "epochs": 1,
    "batch_size": 128,
    "gate": 0.01,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def run(world: Path, tmp_path: Path) -> Path:
    return shutil.copytree(world, tmp_path / "run")


def call(monkeypatch: pytest.MonkeyPatch, run: Path, *words: str, section: dict[str, object] | None = None) -> int:
    file = run.parent / "my.yaml"
    file.write_text(yaml.safe_dump({"reward": section or TINY}), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["genrec", "reward", "--config", str(file), "--run", str(run), *words])
    monkeypatch.setenv("COLUMNS", "250")
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_run_from_nothing_to_its_table(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, run, "--dry-run") == 0
    assert "session_length: 3" in capsys.readouterr().out
    assert not (run / "reward").exists()

    assert call(monkeypatch, run) == 0
    shown = capsys.readouterr().out
    assert "Negatives: exposures" in shown
    titles = next(line for line in shown.splitlines() if line.startswith("single items"))
    assert titles.split()[2:] == [
        *("objective", "rows", "AUC", "(average)", "GAUC", "(average)", "merged", "(average)", "ECE", "log-loss"),
    ]
    rows = [line.split() for line in shown.splitlines() if line.startswith(("model ", "judge "))]
    pairs = [["model", "like"], ["model", "dislike"], ["judge", "like"], ["judge", "dislike"]]
    assert [row[:2] for row in rows] == pairs * 2  # of single items, and of whole sessions
    assert "gate  " in shown
    assert not (run / "reward.partial").exists()

    assert call(monkeypatch, run, "--json") == 0
    out, err = capsys.readouterr()
    assert "up to date" in err
    figures = json.loads(out.splitlines()[-1])
    assert figures["reward"] == str(run / "reward")
    assert float(rows[0][3]) == figures["held_out"]["items"]["model"]["like"]["auc"]
    assert float(rows[0][6]) == figures["held_out"]["items"]["model"]["like"]["item_average_gauc"]


def test_what_was_cut_off_goes_on_with_its_finished_model(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[str] = []
    real = ModelPair._one

    def one(self: ModelPair, folder: Path, name: str, seed: int) -> object:
        trained.append(name)
        if trained == ["model", "judge"]:
            raise OSError(28, "No space left on device", str(folder))
        return real(self, folder, name, seed)

    monkeypatch.setattr(ModelPair, "_one", one)
    assert call(monkeypatch, run) == 2
    assert "No space left" in capsys.readouterr().err
    assert not (run / "reward").exists()
    assert call(monkeypatch, run, "--resume") == 0
    assert trained == ["model", "judge", "judge"]
    assert (run / "reward" / "model" / "model.safetensors").is_file()
    assert not (run / "reward.partial").exists()


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"objectives": [{"name": "click", "behaviors": ["clic"]}]}, ["no behavior 'clic'", "genrec data"]),
        ({"objectives": [{"name": "all", "min_value": 0.0}]}, ["every interaction", "reward.negatives=sampled"]),
        ({"objectives": [{"name": "like"}]}, ["nothing counts"]),
        ({"features": ["valeu"]}, ["valeu", "Did you mean 'value'"]),
        ({"network": {"hiden_size": 3}}, ["hiden_size", "Did you mean 'hidden_size'"]),
    ],
)
def test_settings_that_the_log_cannot_have_are_one_message(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    messages: list[str],
) -> None:
    assert call(monkeypatch, run, section=TINY | change) == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    for message in messages:
        assert message in shown


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("sessions", "data.sessions.by=gap"),
        ("semantic_ids", "genrec tokenize"),
        ("vectors", "holds no vectors of the items"),
        ("dataset", "genrec data"),
        ("users", "5 users have sessions"),
    ],
)
def test_what_a_run_lacks_is_one_message(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str, message: str
) -> None:
    log = pl.read_parquet(run / "dataset" / "interactions.parquet")
    if broken == "sessions":
        write(run, log.drop("session"))
    elif broken == "users":
        write(run, log.filter(pl.col("user_id") < "u005"))
    elif broken == "vectors":
        (run / "semantic_ids" / "embeddings.safetensors").unlink()
    else:
        shutil.rmtree(run / broken)
    assert call(monkeypatch, run) == 2
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert message in shown
    assert not (run / "reward").exists()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_recipes_are_valid_and_begin_with_their_command(recipe: Path) -> None:
    assert recipe.read_text(encoding="utf-8").startswith(
        f"# genrec reward --config alignment/recipes/{recipe.name} --run "
    )
    assert "reward" in load_settings(section_kinds(), recipe, (), None).dump()
