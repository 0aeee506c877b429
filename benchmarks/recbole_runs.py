"""RecBole 1.2.1 on MovieLens-100k: its split, its lists, its figures. Imported by recbole_agreement.py alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# RecBole 1.2.1 asks for names that numpy gave up in 1.24 and 2.0.
for _name, _type in {"float": float, "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}.items():
    setattr(np, _name, _type)

import recbole  # noqa: E402
from recbole.config import Config  # noqa: E402
from recbole.data import create_dataset, data_preparation  # noqa: E402
from recbole.utils import get_model, get_trainer, init_seed  # noqa: E402

SETTINGS = {
    "metrics": ["Recall", "NDCG", "MRR"],
    "metric_decimal_place": 10,
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "data_path": str(Path(recbole.__file__).parent / "dataset_example"),
    "use_gpu": False,
    "state": "ERROR",
}


class Run(NamedTuple):
    """What RecBole made: figures, lists [users, K] and targets [users] in its numbers, each user's last items."""

    figures: dict[str, float]
    lists: np.ndarray
    targets: np.ndarray
    last: dict[str, list[str]]


def run_recbole(name: str, settings: dict[str, Any], ks: Sequence[int], folder: Path) -> Run:
    """Fit a method of RecBole on its split and measure it by its evaluator."""
    given = {**SETTINGS, **settings, "topk": list(ks), "checkpoint_dir": str(folder)}
    config = Config(model=name, dataset="ml-100k", config_dict=given)
    init_seed(0, True)
    data = create_dataset(config)
    train, valid, test = data_preparation(config, data)
    trainer = get_trainer(config["MODEL_TYPE"], name)(config, get_model(name)(config, train._dataset))
    trainer.fit(train, valid_data=None, saved=False, show_progress=False)
    lists = _keep_lists(trainer)
    figures = trainer.evaluate(test, load_best_model=False)
    targets = np.array([int(test.uid2positive_item[user]) for user in test.uid_list])
    return Run({key: float(value) for key, value in figures.items()}, lists[0], targets, _last(data, valid, test))


def _keep_lists(trainer: Any) -> list[np.ndarray]:
    """Return what will hold the lists once the trainer has evaluated; its metrics need only hits."""
    setattr(trainer.eval_collector.register, "rec.items", True)
    kept, evaluate = [], trainer.evaluator.evaluate

    def keep_and_evaluate(data: Any) -> Any:
        kept.append(data.get("rec.items").numpy())
        return evaluate(data)

    trainer.evaluator.evaluate = keep_and_evaluate
    return kept


def _last(data: Any, valid: Any, test: Any) -> dict[str, list[str]]:
    """Return the items of validation and test of each user."""
    items: dict[str, list[str]] = {}
    for loader in (valid, test):
        for user in loader.uid_list.tolist():
            (item,) = loader.uid2positive_item[user].tolist()
            items.setdefault(str(data.id2token("user_id", user)), []).append(str(data.id2token("item_id", item)))
    return items
