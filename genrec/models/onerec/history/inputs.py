"""Which features a model's histories need: those that are asked for, and those that its pathways read."""

from __future__ import annotations

from genrec.data import Dataset
from genrec.data.categories import Liked
from genrec.data.events import USER
from genrec.data.features import Features
from genrec.data.profiles import read_users
from genrec.errors import DataError, suggest
from genrec.models.onerec.config import HistoryConfig, PathwaysConfig


def fit_features(dataset: Dataset, history: HistoryConfig) -> Features | None:
    """Learn the features of a model's histories from the training part of a dataset; None where it reads none.

    With a profile pathway all columns of the users are among them, with a rule for positive feedback ``liked`` is.

    Raises:
        DataError: naming everything that the dataset lacks.
    """
    names, liked = list(history.features), None
    if history.pathways is not None:
        _check(dataset, history.pathways)
        if history.pathways.profile:
            people = [USER + name for name in read_users(dataset).columns]
            names += [name for name in people if name not in names]
        if history.pathways.positive_behaviors or history.pathways.positive_value is not None:
            liked = Liked(history.pathways.positive_behaviors, history.pathways.positive_value)
    return Features.fit(dataset, names, liked) if names or liked else None


def _check(dataset: Dataset, pathways: PathwaysConfig) -> None:
    problems, columns = [], dataset.interactions.columns
    if pathways.profile and not read_users(dataset).columns:
        problems.append("it does not say who its users are: set pathways.profile=false, or import data.users.")
    if pathways.positive_value is not None and "value" not in columns:
        problems.append("its log has no values: leave out pathways.positive_value.")
    known = dataset.interactions["behavior"].drop_nulls().unique().to_list() if "behavior" in columns else []
    problems += [
        f"no interaction has the behavior {name!r} of pathways.positive_behaviors.{suggest(name, known)}"
        for name in pathways.positive_behaviors
        if name not in known
    ]
    if problems:
        raise DataError([f"{dataset.path}: {problem}" for problem in problems])
