"""Users who live with systems: what they see, what it does to them, and that their luck is their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genrec.data import Dataset
from genrec_eval.simulation.analysis import lift
from genrec_eval.simulation.arrays import Ints
from genrec_eval.simulation.draws import shares
from genrec_eval.simulation.life import Period, Population, Totals
from genrec_eval.simulation.model import UserModel
from genrec_eval.simulation.past import Past
from genrec_eval.simulation.systems import System
from tests.eval.simulation.systems import BEST, MIXED, ONE_KIND, WORST, Shelf

DAILY = Period(0.0, 6, True, 8)
BY_LAW = Period(0.0, 20, False, 5)


def live(model: UserModel, planted: Dataset, system: System, period: Period, seed: int = 0) -> Totals:
    everybody = np.zeros(len(planted.user_ids), dtype=np.int64)
    return Population(model, planted, seed).live([system], everybody, period)


def test_what_is_counted(model: UserModel, planted: Dataset) -> None:
    found = live(model, planted, Shelf((3, 1, 2)), DAILY)
    assert (found.visits == 6).all()
    assert (found.shown <= 18).all()
    assert 6 < found.shown.mean() < 18  # they leave before the end of the list, as the log's users did
    assert (found.likes <= found.shown).all()
    assert (found.values >= 4 * found.likes + (found.shown - found.likes)).all()
    assert (found.values <= 5 * found.likes + 3 * (found.shown - found.likes)).all()


def test_what_was_looked_at_is_what_systems_read_next(model: UserModel, planted: Dataset) -> None:
    read: list[list[int]] = []

    class Reader:
        def lists(self, users: Ints, past: Past, length: int) -> Ints:
            read.append([len(history) for history in past.of_users(users)])
            return np.tile(np.arange(length), (len(users), 1))

    population, users = Population(model, planted, 0), len(planted.user_ids)
    found = population.live([Reader()], np.zeros(users, dtype=np.int64), Period(0.0, 2, True, 4))
    in_the_log = np.diff(planted.sequences.offsets)
    assert read[0] == in_the_log.tolist()
    sizes = np.array([len(items) for items in population.past.items])
    np.testing.assert_array_equal(sizes - in_the_log, found.shown)
    last = population.past.visits[0][-1]
    np.testing.assert_array_equal(last.items, np.arange(len(last.items)))


def test_nobody_lives_who_stays_out_and_an_empty_list_is_a_short_visit(model: UserModel, planted: Dataset) -> None:
    arms = np.zeros(len(planted.user_ids), dtype=np.int64)
    arms[10:] = -1
    found = Population(model, planted, 0).live([Shelf(())], arms, DAILY)
    assert (found.visits == np.where(arms < 0, 0, 6)).all()
    assert found.shown.sum() == 0


def test_a_users_luck_does_not_hang_on_company(model: UserModel, planted: Dataset) -> None:
    alone, users = np.full(len(planted.user_ids), -1), np.arange(0, len(planted.user_ids), 7)
    alone[users] = 0
    few = Population(model, planted, 3).live([WORST], alone, BY_LAW)
    many = live(model, planted, WORST, BY_LAW, seed=3)
    for name, column in vars(few).items():
        np.testing.assert_array_equal(column[users], getattr(many, name)[users])
    other = live(model, planted, WORST, BY_LAW, seed=4)
    assert (other.likes != many.likes).any()


def test_better_items_are_liked_more_and_bring_users_back(model: UserModel, planted: Dataset) -> None:
    worst, best = live(model, planted, WORST, BY_LAW), live(model, planted, BEST, BY_LAW)
    assert best.likes.sum() / best.shown.sum() > worst.likes.sum() / worst.shown.sum() + 0.15
    assert best.visits.mean() > 1.3 * worst.visits.mean()
    assert best.shown.sum() / best.visits.sum() > worst.shown.sum() / worst.visits.sum()


def test_more_of_the_same_is_liked_less(model: UserModel, planted: Dataset) -> None:
    same, mixed = live(model, planted, ONE_KIND, DAILY), live(model, planted, MIXED, DAILY)
    assert same.likes.sum() / same.shown.sum() < mixed.likes.sum() / mixed.shown.sum() - 0.04
    untiring = replace(model.response, tiring=replace(model.response.tiring, used=0.0))
    fresh = live(replace(model, response=untiring), planted, ONE_KIND, DAILY)
    assert fresh.likes.sum() / fresh.shown.sum() > same.likes.sum() / same.shown.sum() + 0.1


def test_without_laws_of_visits_whole_lists_are_looked_at(model: UserModel, planted: Dataset) -> None:
    found = live(replace(model, leaving=None, returning=None), planted, BEST, DAILY)
    assert (found.shown == 48).all()


def test_the_lift_between_everybodys_two_lives_lies_in_the_interval_of_a_split(
    model: UserModel, planted: Dataset
) -> None:
    before = live(model, planted, WORST, DAILY, seed=1)
    a, b = live(model, planted, WORST, DAILY, seed=2), live(model, planted, MIXED, DAILY, seed=2)
    truth, held, unequal = float((b.likes - a.likes).mean()), 0, 0
    for salt in range(200):
        in_b = shares(planted.user_ids, str(salt)) < 0.5
        found = lift(np.where(in_b, b.likes, a.likes), before.likes, in_b)
        held += found.interval[0] <= truth <= found.interval[1]
        none = lift(a.likes, before.likes, in_b)  # A against A
        unequal += not none.interval[0] <= 0 <= none.interval[1]
    assert truth > 0
    assert held >= 185
    assert 2 <= unequal <= 20


def test_twins_go_on_alike_and_apart(model: UserModel, planted: Dataset) -> None:
    everybody = np.zeros(len(planted.user_ids), dtype=np.int64)
    population = Population(model, planted, 0)
    population.live([MIXED], everybody, DAILY)
    twin, later = population.twin(), Period(6.0, 3, True, 8)
    here = population.live([ONE_KIND], everybody, later)
    there = twin.live([ONE_KIND], everybody, later)
    for name, column in vars(here).items():
        np.testing.assert_array_equal(column, getattr(there, name))
    for user in range(9):
        np.testing.assert_array_equal(population.past.items[user], twin.past.items[user])


@pytest.mark.parametrize("days", [1, 4])
def test_daily_is_daily(days: int, model: UserModel, planted: Dataset) -> None:
    assert (live(model, planted, MIXED, Period(2.0, days, True, 3)).visits == days).all()
