"""Simulated users fitted to a log whose laws are known: they have the same laws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from genrec.data import Dataset
from genrec.data.make import write_dataset as write_frames
from genrec.errors import ConfigError, DataError
from genrec_eval.metrics.auc import auc
from genrec_eval.simulation.arrays import sigmoid
from genrec_eval.simulation.config import UsersConfig
from genrec_eval.simulation.fatigue import met_in
from genrec_eval.simulation.fidelity import answers_fidelity, visits_fidelity
from genrec_eval.simulation.log import Log, read_log
from genrec_eval.simulation.model import UserModel, fit_users
from genrec_eval.simulation.response import fit_response
from genrec_eval.simulation.tastes import Tastes, columns_out_of_fold
from genrec_eval.simulation.values import Values
from genrec_eval.simulation.visits import visits_of
from tests.eval.conftest import write_dataset
from tests.eval.simulation.conftest import RATINGS
from tests.eval.simulation.worlds import PAUSE, World


def test_fatigue_is_found_and_its_half_life(model: UserModel) -> None:
    tiring = model.response.tiring
    assert tiring.half_life == 1.0
    assert -1.2 < tiring.weight < -0.6  # planted: −1; tastes are not known exactly, which draws it towards 0
    assert tiring.used == tiring.weight


def test_where_nobody_tires_nobody_is_simulated_to(tmp_path: Path) -> None:
    world = World(users=120, fatigue=0.0, returning=0.0)
    found = fit_users(read_log(world.write(tmp_path / "run"), RATINGS), RATINGS)
    assert found.response.tiring.used == 0
    assert found.returning is not None
    assert found.returning.used == 0


def test_leaving_and_returning_are_found(model: UserModel) -> None:
    leaving, returning = model.leaving, model.returning
    assert leaving is not None
    assert returning is not None
    assert leaving.used == pytest.approx(-1.0, abs=3 * leaving.error)
    assert returning.used == pytest.approx(2.0, abs=3 * returning.error)
    assert leaving.logits[:3] == pytest.approx([-1.5] * 3, abs=0.4)
    assert returning.logits[:6] == pytest.approx([-1.0] * 6, abs=0.5)


def test_held_out_answers_are_foretold_better_than_by_the_items_average(model: UserModel, log: Log) -> None:
    report = answers_fidelity(model, log, seed=0)
    assert report is not None
    assert report["simulator"]["log_loss"] < report["item_average"]["log_loss"] < report["constant"]["log_loss"]
    assert report["simulator"]["auc"] > report["item_average"]["auc"] + 0.05
    assert report["simulator"]["ece"] < 0.05
    assert report["likes"]["simulated"] == pytest.approx(report["likes"]["log"], abs=0.05)
    assert report["values"]["simulated"]["mean"] == pytest.approx(report["values"]["log"]["mean"], abs=0.25)


def test_held_out_visits_are_like_simulated_ones(model: UserModel, log: Log) -> None:
    report = visits_fidelity(model, log, PAUSE, seed=0)
    assert report is not None
    assert report["items"]["ks"] < 0.12
    assert report["days_away"]["ks"] < 0.12
    assert report["returned"]["simulated"] == pytest.approx(report["returned"]["log"], abs=0.08)


def test_nothing_held_out_is_learned_from(log: Log, model: UserModel) -> None:
    other = replace(log, liked=np.where(log.train, log.liked, ~log.liked & log.known))
    again = fit_response(other)
    np.testing.assert_array_equal(again.model.weights, model.response.model.weights)
    np.testing.assert_array_equal(again.tastes.items, model.response.tastes.items)


def test_columns_out_of_fold_do_not_know_their_own_answer(log: Log) -> None:
    rng = np.random.default_rng(0)
    chance = replace(log, liked=rng.random(len(log.items)) < 0.5)
    rows = np.flatnonzero(chance.learned)
    own = Tastes.fit(chance, rows).columns(chance.users[rows], chance.items[rows])
    for column in (0, 1, 2):
        inside = auc(chance.liked[rows], own[:, column])
        outside = auc(chance.liked[rows], columns_out_of_fold(chance, rows)[:, column])
        assert inside is not None
        assert outside is not None
        assert inside > 0.52
        assert outside < 0.51


def test_an_item_without_answers_is_taken_for_its_categories(log: Log) -> None:
    rows = np.flatnonzero(log.learned & (log.items != 7))
    tastes = Tastes.fit(log, rows)
    alike = [item for item in range(len(log.categories)) if item % 4 == 3 and item != 7]
    counted = rows[np.isin(log.items[rows], alike)]
    assert sigmoid(tastes.items[7]) == pytest.approx(log.liked[counted].mean(), abs=0.02)


def test_a_load_halves_and_counts_what_was_shown_before(log: Log) -> None:
    met = met_in(log, half_life=1.0)
    for user in (0, 17):
        rows = slice(*log.offsets[user : user + 2])
        items, days = log.items[rows], log.days[rows]
        for at in range(len(items)):
            alike = items[:at] % 4 == items[at] % 4
            load = (0.5 ** (days[at] - days[:at]) * alike).sum()
            assert met[rows][at] == pytest.approx(np.log1p(load))


def test_visits_end_with_a_pause(log: Log) -> None:
    visits = visits_of(log, PAUSE)
    assert (np.sort(visits.rows()) == np.arange(len(log.items))).all()
    assert (log.users[visits.starts] == log.users[visits.stops - 1]).all()
    gaps = np.diff(log.days)
    inside = np.setdiff1d(np.arange(1, len(log.items)), visits.starts)
    assert (gaps[inside - 1] <= PAUSE).all()
    assert (visits.away[visits.returned] > PAUSE).all()
    last = ~visits.returned
    assert (np.bincount(visits.users[last], minlength=len(log.user_ids)) == 1).all()


def test_assumptions_take_the_place_of_what_the_log_shows(log: Log) -> None:
    assumed = fit_users(log, UsersConfig(min_value=4, fatigue=0.25, return_effect=0.0))
    assert (assumed.response.tiring.used, assumed.response.tiring.assumed) == (-0.25, True)
    assert assumed.returning is not None
    assert (assumed.returning.used, assumed.returning.assumed) == (0.0, True)
    report = answers_fidelity(assumed, log, seed=0)
    assert report is not None
    assert report["likes"]["simulated"] == pytest.approx(report["likes"]["log"], abs=0.06)  # still calibrated


def test_values_drawn_have_occurred_and_keep_their_mean(rng: np.random.Generator) -> None:
    p = rng.random(4000)
    liked = rng.random(4000) < p
    values = np.where(liked, 3 + np.round(p * 2), 1.0)
    values[:50] = np.nan
    drawn = Values.fit(p, liked, values)
    assert drawn is not None
    again = drawn.draw(p, liked, rng.random(4000))
    assert set(again) <= set(values[50:])
    assert (again[~liked] == 1).all()
    assert again[liked & (p > 0.9)].mean() == pytest.approx(5, abs=0.2)
    assert again.mean() == pytest.approx(values[50:].mean(), abs=0.05)
    assert Values.fit(p, liked, np.full(4000, np.nan)) is None


def test_a_log_that_cannot_tell_likes_is_refused(planted: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"min_value=X \(values here go from 1 to 5\)"):
        read_log(planted, UsersConfig())
    with pytest.raises(DataError, match="nothing but likes"):
        read_log(planted, UsersConfig(min_value=1))
    with pytest.raises(DataError, match="no like"):
        read_log(planted, UsersConfig(min_value=6))
    with pytest.raises(ConfigError, match=r"no column 'genre'.*Did you mean 'genres'"):
        read_log(planted, UsersConfig(min_value=4, categories="genre"))
    bare = write_dataset([[0, 1, 2, 3]] * 5, 4, run=tmp_path / "bare")
    with pytest.raises(ConfigError, match="neither values nor behaviors"):
        read_log(bare, UsersConfig())


def test_kinds_of_action_are_likes_too_and_no_times_no_visits(tmp_path: Path) -> None:
    rng, users = np.random.default_rng(0), np.repeat(np.arange(30), 9)
    shown = [f"i{item:02}" for item in rng.integers(12, size=len(users))]
    answers = [("skip", "click")[answer] for answer in rng.integers(2, size=len(users))]
    events = {"user_id": [f"u{user:02}" for user in users], "item_id": shown, "behavior": answers}
    write_frames(tmp_path / "dataset", None, pl.DataFrame(events))
    log = read_log(Dataset.load(tmp_path / "dataset"), UsersConfig(behaviors=("click",)))
    assert log.liked.mean() == pytest.approx(0.5, abs=0.1)
    assert log.values is None
    found = fit_users(log, UsersConfig(behaviors=("click",)))
    assert (found.leaving, found.returning) == (None, None)
    assert visits_fidelity(found, log, PAUSE, seed=0) is None


def test_a_model_is_read_as_it_was_written(model: UserModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = UserModel.load(tmp_path)
    users, items = np.arange(50), np.arange(50) % 60
    met = np.linspace(0, 2, 50)
    np.testing.assert_array_equal(
        again.response.probability(users, items, met), model.response.probability(users, items, met)
    )
    assert again.leaving is not None
    assert model.leaving is not None
    np.testing.assert_array_equal(again.leaving.logits, model.leaving.logits)
    assert again.response.values is not None
