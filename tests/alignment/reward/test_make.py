"""Two models on disjoint users: a planted taste is found, noise is not, and the gate says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.data import Dataset
from genrec.errors import DataError
from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.make import make_reward
from genrec_alignment.reward.pair import divide_users
from genrec_alignment.reward.scorer import RewardScorer
from tests.alignment.reward.worlds import ITEMS, LIKES, SMALL, make_world, small_catalogue, write


def settings(**changed: object) -> RewardConfig:
    base = {"objectives": LIKES, "session_length": 3, "features": ["value"], "network": SMALL}
    fast = {"epochs": 8, "learning_rate": 0.01, "batch_size": 64, "held_out": 0.3}
    return RewardConfig.model_validate(base | fast | changed)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_world(tmp_path_factory.mktemp("planted"))
    make_reward(settings(), folder, 0)
    return folder


def test_a_planted_taste_is_found_by_both(run: Path) -> None:
    manifest = make_reward(settings(), run, 0)  # it is up to date: nothing is trained
    tables = json.loads((run / "reward" / "results.json").read_text(encoding="utf-8"))
    for name in ("model", "judge"):
        assert tables["items"][name]["like"]["auc"] > 0.8
        assert tables["items"][name]["dislike"]["auc"] > 0.8
        assert tables["items"][name]["like"]["item_average_gauc"] < 0.6  # half of the users have the other taste
    details = manifest.details
    assert details["gate"]["passed"]
    assert details["gate"]["problems"] == []
    assert details["negatives"] == "exposures"
    assert details["weights"] == {"like": 1.0, "dislike": -1.0}


def test_users_are_disjoint(run: Path) -> None:
    users = pl.read_parquet(run / "reward" / "users.parquet")
    assert users["user_id"].n_unique() == len(users) == 90
    assert users["part"].value_counts().sort("part")["count"].to_list() == [27, 32, 31]


def test_the_scorer_ranks_by_taste(run: Path) -> None:
    scorer = RewardScorer.from_pretrained(run / "reward" / "model", small_catalogue())
    dataset = Dataset.load(run / "dataset")
    examples = dataset.session_examples("test")
    histories = scorer.events(dataset, examples.starts, examples.stops)
    candidates = np.tile(np.arange(ITEMS)[None, :, None], (len(examples), 1, 1))
    merged = scorer.score(histories, candidates).merged
    own = np.arange(ITEMS) % 2 == (examples.users % 2)[:, None]
    assert merged[own].mean() > merged[~own].mean() + 0.5


def test_noise_does_not_pass_the_gate(tmp_path: Path) -> None:
    manifest = make_reward(settings(epochs=2), make_world(tmp_path, planted=False), 0)
    assert 0.4 < manifest.details["held_out"]["items"]["model"]["like"]["auc"] < 0.6
    assert not manifest.details["gate"]["passed"]
    assert len(manifest.details["gate"]["problems"]) >= 4


def test_a_p_score_finds_the_planted_taste(tmp_path: Path) -> None:
    manifest = make_reward(settings(merge="p_score", epochs=6), make_world(tmp_path), 0)
    assert manifest.details["held_out"]["items"]["model"]["like"]["merged_gauc"] > 0.8
    scorer = RewardScorer.from_pretrained(tmp_path / "reward" / "model")
    merged = scorer.score([np.arange(0)], np.arange(ITEMS)[None, :, None]).merged
    assert ((merged > 0) & (merged < 1)).all()


@pytest.mark.parametrize("changed", [{"merge": "stages"}, {"funnel": "chorus"}], ids=["stages", "chorus"])
def test_stages_and_objectives_after_others_find_the_planted_taste(changed: dict, tmp_path: Path) -> None:
    after = {} if "merge" in changed else {"after": "seen"}
    stages = [{"name": "seen", "min_value": 1.0}, {"name": "like", "min_value": 4.0, "weight": 2.0} | after]
    run = make_world(tmp_path)
    log = pl.read_parquet(run / "dataset" / "interactions.parquet")
    wide = SMALL | {"hidden_size": 32}
    unseen = (pl.col("value") < 4) & (pl.col("item_id") > "i05")  # a quarter of the catalogue everybody looks at
    write(run, log.with_columns(value=pl.when(unseen).then(0.0).otherwise("value")))
    manifest = make_reward(settings(objectives=stages, gate=0.05, epochs=16, network=wide, **changed), run, 0)
    found = manifest.details["held_out"]["items"]["model"]["like"]
    assert found["merged_gauc"] > 0.8
    assert found["gauc"] > 0.8


def test_what_comes_after_must_have_come_first(tmp_path: Path) -> None:
    wrong = [{"name": "high", "min_value": 4.5}, {"name": "low", "max_value": 2.5, "after": "high"}]
    with pytest.raises(DataError, match="what counts for 'low' must count for 'high' too"):
        make_reward(settings(objectives=wrong), make_world(tmp_path), 0)


def test_too_few_users() -> None:
    with pytest.raises(DataError, match="5 users"):
        divide_users(np.arange(5), 0.2, 0)
    parts = divide_users(np.arange(6), 0.2, 0)
    assert [len(parts[name]) for name in ("model", "judge", "held_out")] == [2, 2, 2]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"objectives": [{"name": "like"}]}, "nothing counts"),
        ({"objectives": [LIKES[0], LIKES[0]]}, "same name"),
        ({"objectives": [LIKES[0] | {"weight": 0}]}, "weight 0"),
        ({"objectives": [{"name": "x", "min_value": 3, "max_value": 2}]}, "above max_value"),
        ({"network": {"hidden_size": 10, "heads": 3}}, "heads"),
    ],
)
def test_settings_that_cannot_be(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardConfig.model_validate(section)
