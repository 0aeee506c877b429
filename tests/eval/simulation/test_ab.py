"""The artefact: what it holds, when it is used again, which systems it takes and which it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from genrec.data import Dataset
from genrec.data.features import Features
from genrec.errors import ArtifactError, DataError, UnknownNameError
from genrec.models import DecoderConfig, build_generator
from genrec.models.onerec.config import LazyDecoderConfig
from genrec.runs import new_artifact
from genrec.semantic_ids import Catalogue
from genrec_eval.simulation.ab import KIND, make_ab
from genrec_eval.simulation.config import AbConfig, SimulateConfig
from genrec_eval.simulation.log import DAY
from genrec_eval.simulation.make import make_simulator
from genrec_eval.simulation.past import Past, Visit, Words
from genrec_eval.simulation.systems import GeneratorSystem, Named
from tests.decoding.worlds import random_codes
from tests.eval.conftest import write_dataset
from tests.eval.simulation.conftest import RATINGS

END = 1_700_000_000_000
WORDS = Words(None, None, END)
SHORT = AbConfig(days=2, pre_days=1, returns="daily", length=4, beams=8)


def config(**changes: Any) -> SimulateConfig:
    return SimulateConfig(users=RATINGS, ab=SHORT.model_copy(update=changes))


def write_generator(folder: Path, items: list[str], features: Features | None = None) -> None:
    """Write a random generator: a decoder, or a model that reads events if it is given features."""
    catalogue = Catalogue(items, random_codes((8, 8, 4), len(items), np.random.default_rng(0)), (8, 8, 4), items)
    torch.manual_seed(0)
    decoder = DecoderConfig(hidden_size=8, intermediate_size=8, layers=1, heads=2)
    kind = LazyDecoderConfig(hidden_size=8, intermediate_size=8, heads=2) if features else decoder
    generator = build_generator(kind, catalogue, 20, features=features)
    with new_artifact(folder, "generator", {}) as draft:
        generator.save_pretrained(draft.path)


def results(run: Path) -> dict[str, Any]:
    return json.loads((run / KIND / "results.json").read_text(encoding="utf-8"))


def test_it_writes_what_it_says(run: Path) -> None:
    a, b = f"{run}:popularity", f"{run}:item_knn"
    manifest = make_ab(config(), run, a, b, seed=0)
    assert set(manifest.files) == {"results.json", "users.parquet"}
    found, table = results(run), pl.read_parquet(run / KIND / "users.parquet")
    assert (found["a"], found["b"], found["daily"]) == (a, b, True)
    assert set(found["lifts"]) == {"likes", "values"}
    assert table.group_by("arm").len().sort("arm")["len"].to_list() == [found["users"]["a"], found["users"]["b"]]
    assert (table["visits"] == 2).all()
    assert (table["before_visits"] == 1).all()
    means = table.group_by("arm").agg(pl.col("likes").mean()).sort("arm")["likes"]
    assert found["lifts"]["likes"]["plain"] == pytest.approx(means[1] - means[0])


def test_finished_work_is_used_again_until_something_changes(run: Path) -> None:
    systems = f"{run}:popularity", f"{run}:item_knn"
    make_ab(config(), run, *systems, seed=0)
    written = (run / KIND / "results.json").stat().st_mtime_ns
    make_ab(config(), run, *systems, seed=0)
    assert (run / KIND / "results.json").stat().st_mtime_ns == written
    for changed in (config(salt="other"), config(salt="other", days=1)):
        make_ab(changed, run, *systems, seed=0)
        assert (run / KIND / "results.json").stat().st_mtime_ns > written
        written = (run / KIND / "results.json").stat().st_mtime_ns
    make_ab(changed, run, *systems[::-1], seed=0)
    assert results(run)["a"] == systems[1]


def test_the_same_system_twice_differs_by_the_split_alone(run: Path) -> None:
    make_ab(config(), run, f"{run}:popularity", f"{run}:popularity", seed=0)
    table = pl.read_parquet(run / KIND / "users.parquet")
    make_ab(config(salt="again"), run, f"{run}:popularity", f"{run}:popularity", seed=0)
    again = pl.read_parquet(run / KIND / "users.parquet")
    assert (table["arm"] != again["arm"]).any()
    assert table.drop("arm").equals(again.drop("arm"))


def test_two_lives_of_every_user(run: Path) -> None:
    systems = f"{run}:popularity", f"{run}:item_knn"
    make_ab(config(design="both"), run, *systems, seed=0)
    found, table = results(run), pl.read_parquet(run / KIND / "users.parquet")
    assert found["users"] == {"a": 250, "b": 250}
    lives = table.pivot("arm", index="user_id", values="likes")
    likes = found["lifts"]["likes"]
    assert likes["difference"] == pytest.approx((lives["b"] - lives["a"]).mean())
    assert likes["variance_reduction"] > 0.2  # a user who likes much likes much in either life
    make_ab(config(design="both"), run, systems[0], systems[0], seed=0)
    assert results(run)["lifts"]["likes"]["interval"] == [0, 0]  # the same luck


def test_visits_are_a_result_where_the_log_says_when_users_return(run: Path) -> None:
    make_ab(config(returns="log"), run, f"{run}:popularity", f"{run}:item_knn", seed=0)
    found = results(run)
    assert set(found["lifts"]) == {"likes", "values", "visits"}
    assert not found["daily"]


def test_a_sample_of_the_users(run: Path) -> None:
    make_ab(config(max_users=20, share=0.3), run, f"{run}:popularity", f"{run}:item_knn", seed=0)
    assert sum(results(run)["users"].values()) == 20
    with pytest.raises(DataError, match="each needs at least two"):
        make_ab(config(max_users=2, share=0.01), run, f"{run}:popularity", f"{run}:item_knn", seed=0)


@pytest.mark.parametrize("names", [(), ("value", "gap")])
def test_a_generator_answers_with_items_that_are_new_to_a_user(
    names: tuple[str, ...], run: Path, planted: Dataset
) -> None:
    write_generator(run / "generator", planted.item_ids, Features.fit(planted, names) if names else None)
    make_ab(config(max_users=30), run, f"{run}:popularity", str(run), seed=0)
    assert pl.read_parquet(run / KIND / "users.parquet").filter(pl.col("arm") == "b")["shown"].sum() > 0
    system, past, users = (
        Named.read(str(run)).open(planted, WORDS, SHORT, 0),
        Past.of(planted),
        np.argsort(np.diff(planted.sequences.offsets))[:9],
    )
    for day in range(3):
        for user, places in zip(users, system.lists(users, past, 4), strict=True):
            items = places[places >= 0].astype(np.int32)
            assert len(set(items) - set(past.items[user])) == len(items) > 0
            past.add(user, Visit(float(day), items, np.ones(len(items), dtype=bool), np.full(len(items), 5.0)))


def test_simulated_events_have_the_features_that_logged_ones_would_have(run: Path, planted: Dataset) -> None:
    features = Features.fit(planted, ["value", "gap"])
    write_generator(run / "generator", planted.item_ids, features)
    system, past, user = Named.read(str(run)).open(planted, WORDS, SHORT, 0), Past.of(planted), 5
    assert isinstance(system, GeneratorSystem)
    assert system.features is not None
    for day, worth in ((0.5, 4.0), (2.0, 1.0)):
        items = np.array([3, 1], dtype=np.int32)
        past.add(user, Visit(day, items, np.array([True, False]), np.full(2, worth)))
    found = system.features.events(user, past)
    rows = slice(*planted.sequences.offsets[user : user + 2])
    assert planted.sequences.values is not None
    times = [
        *planted.sequences.timestamps[rows].tolist(),
        *(END + round(day * DAY) for day in (0.5, 0.5, 2.0, 2.0)),
    ]
    whole = features.encode(
        [planted.item_ids[item] for item in past.items[user]],
        values=[*planted.sequences.values[rows].tolist(), 4.0, 4.0, 1.0, 1.0],
        timestamps=times,
    )
    np.testing.assert_array_equal(found.features, whole)
    np.testing.assert_array_equal(found.items, past.items[user])


def test_the_simulator_is_not_fitted_again_for_a_test(run: Path) -> None:
    fitted = make_simulator(RATINGS, run, 0)
    make_ab(config(), run, f"{run}:popularity", f"{run}:item_knn", seed=0)
    assert make_simulator(RATINGS, run, 0).created == fitted.created


def test_names_of_systems(tmp_path: Path, planted: Dataset) -> None:
    assert Named.read("runs/x:sasrec") == Named(Path("runs/x"), "sasrec")
    assert Named.read("runs/a:b/x") == Named(Path("runs/a:b/x"))
    with pytest.raises(UnknownNameError, match="Did you mean 'popularity'"):
        Named.read("runs/x:populrity")
    write_generator(tmp_path / "align" / "generator", planted.item_ids)
    inside = Named.read(str(tmp_path / "align" / "generator"))
    assert inside.generator == tmp_path / "align" / "generator"
    assert Named.read(str(tmp_path / "align")).digest() == inside.digest()


def test_other_items_are_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_dataset([[0, 1, 2, 3]] * 5, 4, run=other)
    with pytest.raises(ArtifactError, match="other items"):
        make_ab(config(), run, f"{run}:popularity", f"{other}:popularity", seed=0)
    write_generator(other / "generator", [f"i{item:03}" for item in range(4)])
    with pytest.raises(ArtifactError, match="other items"):
        make_ab(config(), run, f"{run}:popularity", str(other), seed=0)
    with pytest.raises(ArtifactError, match="no generator artefact"):
        make_ab(config(), run, str(tmp_path / "none"), f"{run}:popularity", seed=0)
    assert not (run / KIND).exists()
