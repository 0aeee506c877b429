"""Users with a mood, to measure re-ranking on. Made up; fitted to nothing.

A user wants one category in a session, which nobody is told. A quarter of the moods changes after a few items. An
item of the wanted category is viewed more; one of the category that was just shown is viewed less; who views goes
on more. The server knows how good an item is in general, roughly, and orders its lists by that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from genrec.reranking.marks import Float32, Float64, Int64
from genrec_alignment.reranking.log import SessionLog

Ask = Callable[[Int64, Float32], "Shows"]


class Shows:
    """Somebody who shows the items of one list: ``next`` gives a place in the list, ``told`` takes the answer."""

    def next(self) -> int:
        """Return the place of the item to show now."""
        raise NotImplementedError

    def told(self, place: int, viewed: bool, liked: bool) -> None:
        """Take an answer; who does not care leaves it."""


class MoodWorld:
    """The world.

    Args:
        categories: of items.
        items: in all.
        changes: the item of a session before which a mood may change.
        seed: of the items.
    """

    feature_names = ("server score",)

    def __init__(self, categories: int = 4, items: int = 80, changes: int = 3, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.category = np.arange(items) % categories
        self.quality = rng.normal(0, 0.5, items)
        self.vectors = (np.eye(categories)[self.category] + rng.normal(0, 0.1, (items, categories))).astype(
            np.float32
        )
        self._categories, self._changes = categories, changes

    def moods(self, length: int, rng: np.random.Generator, change: bool | None = None) -> Int64:
        """Return what a user wants at each item of a session, int64 [length]; ``change`` None is by chance."""
        first = int(rng.integers(self._categories))
        other = (first + int(rng.integers(1, self._categories))) % self._categories
        changes = rng.random() < 0.25 if change is None else change
        return np.where((np.arange(length) < self._changes) | (not changes), first, other)

    def chances(self, mood: int, before: int | None, item: int) -> tuple[float, float, float]:
        """Return the probabilities that the user goes on, views and likes, with ``before`` shown just before."""
        again = before is not None and self.category[before] == self.category[item]
        wanted = self.category[item] == mood
        views = float(1 / (1 + np.exp(2.5 - 5 * wanted - self.quality[item] + 0.5 * again)))
        return 0.85 + 0.14 * views, views, 0.4 * views

    def draw(self, chances: tuple[float, float, float], rng: np.random.Generator) -> Float32:
        """Return whether the user went on, viewed and liked, float32 [3]; nobody likes what they did not view."""
        goes_on, views, likes = chances
        viewed = rng.random() < views
        return np.array([rng.random() < goes_on, viewed, viewed and rng.random() < likes / views], np.float32)

    def features(self, items: Int64, rng: np.random.Generator) -> Float32:
        """Return what the server says of items, float32 [items, 1]."""
        return (self.quality[items] + rng.normal(0, 0.5, len(items)))[:, None].astype(np.float32)

    def log(self, sessions: int, length: int, rng: np.random.Generator) -> SessionLog:
        """Return sessions of users who come once, with lists of ``length`` items in an order by chance."""
        rows: list[tuple[int, int]] = []
        outcomes, features = [], []
        for session in range(sessions):
            items = rng.choice(len(self.category), length, replace=False)
            scores, moods = self.features(items, rng), self.moods(length, rng)
            for place, item in enumerate(items):
                before = int(items[place - 1]) if place else None
                rows.append((session, int(item)))
                features.append(scores[place])
                outcomes.append(self.draw(self.chances(int(moods[place]), before, int(item)), rng))
                if not outcomes[-1][0]:
                    break
        users, shown = np.array(rows, np.int64).T
        return SessionLog(
            users, users, shown, np.stack(outcomes), np.stack(features), self.vectors, self.feature_names
        )

    def live(
        self, ask: Ask, lists: int, length: int, rng: np.random.Generator, change: bool | None = None
    ) -> Float64:
        """Return the expected list reward of each of some sessions, float64 [lists]: views and likes count 1 each.

        Answers are drawn; what an item counts is its probabilities, so that chance in the count is less.
        """
        return np.array([self._session(ask, length, rng, change) for _ in range(lists)])

    def _session(self, ask: Ask, length: int, rng: np.random.Generator, change: bool | None) -> float:
        items = rng.choice(len(self.category), length, replace=False)
        features, moods = self.features(items, rng), self.moods(length, rng, change)
        served = np.argsort(-features[:, 0])
        items, features = items[served], features[served]
        shower, before = ask(items, features), None
        reward, there = 0.0, 1.0
        for mood in moods:
            place = shower.next()
            item = int(items[place])
            chances = self.chances(int(mood), before, item)
            reward, there, before = reward + there * (chances[1] + chances[2]), there * chances[0], item
            _, viewed, liked = self.draw(chances, rng)
            shower.told(place, bool(viewed), bool(liked))
        return reward
