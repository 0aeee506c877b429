"""The recipes of the OneRec family: shapes of the papers, and small ones trained to a folder that serves alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from genrec.cli.common import section_kinds
from genrec.config import load_settings
from genrec.models.onerec.presets import preset
from genrec_alignment.pretraining.config import TrainConfig
from tests.alignment.conftest import ITEMS, make_planted_sessions

RECIPES = Path(__file__).resolve().parents[2] / "alignment" / "recipes"
QUICK = ["epochs=1", "validate_every=1", "warmup_steps=1", "validation_users=5", "validation_beams=5"]
TINY: dict[str, list[str]] = {
    "generator-onerec-tiny": ["session.length=3"],
    "generator-onerec-report-tiny": [],
    "generator-onerec-v2-tiny": [],
}

# What a service does: nothing but the folder, in a process that has seen no training.
SERVE = """
import json, sys
import numpy as np
from genrec.decoding import Recommender

history = np.array([4, 5, 6])
for folder in sys.argv[1:]:
    recommender = Recommender.from_pretrained(folder)
    length = recommender.generator.model.config.session_length
    items = recommender.recommend([history, history[:0]], 5, exclude=[history, history]).items
    sessions = items
    if length > 1:
        sessions = recommender.sessions([history], length, 2, beams=8, exclude=[history]).items[0]
    print(json.dumps({"items": items.tolist(), "sessions": sessions.tolist()}))
"""


def _config(name: str, *overrides: str) -> TrainConfig:
    words = [f"train.{word}" for word in overrides]
    return load_settings(section_kinds(), RECIPES / f"{name}.yaml", words).section("train", TrainConfig)


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        ("generator-onerec", "onerec-0.1b"),
        ("generator-onerec-report", "report-0.121b"),
        ("generator-onerec-v2", "v2-0.1b"),
    ],
)
def test_a_recipe_has_the_shape_of_its_preset(recipe: str, name: str) -> None:
    config, expected = _config(recipe), preset(name)
    assert config.model == expected.shape
    assert (config.session.length if config.target == "session" else 1) == expected.session_length


@pytest.mark.slow
def test_the_small_recipes_train_by_accelerate_and_another_process_serves_what_they_made(tmp_path: Path) -> None:
    for name, overrides in TINY.items():
        words = [f"train.{word}" for word in (*QUICK, *overrides)]
        launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "-m"]
        run = str(make_planted_sessions(tmp_path / name))
        train = ["genrec", "train", "--config", str(RECIPES / f"{name}.yaml"), "--run", run, *words]
        done = subprocess.run([*launch, *train], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
    folders = [str(tmp_path / name / "generator") for name in TINY]
    done = subprocess.run([sys.executable, "-c", SERVE, *folders], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    for name, line in zip(TINY, done.stdout.splitlines(), strict=True):
        for items in (row for rows in json.loads(line).values() for row in rows):
            assert len(set(items)) == len(items), f"{name}: an item twice"
            assert set(items) <= set(range(ITEMS)) - {4, 5, 6}
    first = json.loads(done.stdout.splitlines()[0])["sessions"]
    assert [len(session) for session in first] == [3, 3]
