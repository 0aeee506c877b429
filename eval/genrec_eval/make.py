"""The stage ``evaluate``: the generator and the baselines on the same examples, with the same exclusions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genrec.console import remark
from genrec.data import Dataset, SessionExamples
from genrec.decoding import Recommender
from genrec.errors import DataError
from genrec.runs import Draft, Manifest, is_current, new_artifact, open_artifact
from genrec.semantic_ids import Catalogue
from genrec_eval.baselines.kept import fit_or_reuse
from genrec_eval.baselines.validation import sample_examples
from genrec_eval.config import EvaluateConfig
from genrec_eval.examples import describe
from genrec_eval.generator import answers, open_generator, session_length, way_to_answer
from genrec_eval.measure import AnyExamples, Measured, Recommend, from_baseline, measure, measure_sessions
from genrec_eval.protocols import apply_protocol, load_protocol, require_protocol
from genrec_eval.results import GENERATOR, write_results

ARTIFACT, SEMANTIC_IDS = "evaluation", "semantic_ids"
_ITEMS_SHOWN = 10


def make_evaluation(config: EvaluateConfig, run: Path, seed: int, *, force: bool = False) -> Manifest:
    """Measure ``run``'s generator, where there is one, and the baselines; write ``run/evaluation``.

    ``results.json``   split, target, users, exclude_seen, metrics and seconds of every model, invalid_share,
                       the baselines' parameters, and ``unreachable``: targets that stand in their own
                       history, which no model can reach while seen items are excluded; for sessions also the
                       length of the lists and whether the generator's are sessions generated as a whole
    ``ranks.parquet``  user_id, item_id (the target), and for every model the target's rank, 1 the best,
                       0 where it is not in the list (the first max(ks)); for sessions, lists of both
    ``examples.json``  histories and lists with titles, for people

    Args:
        config: the ``evaluate`` section.
        run: the run folder.
        seed: the seed of SASRec and of the samples.
        force: measure again even if nothing has changed.

    Raises:
        ArtifactError: if there is no dataset, the generator was made from another one, or either is not what
            the protocol is about.
        ConfigError: if a setting says otherwise than the protocol.
        DataError: if there is nothing to learn from or nothing to predict, or there are no sessions to be found.
    """
    dataset = Dataset.load(run / "dataset")
    inputs = {"dataset": dataset.manifest.digest}
    generator = open_artifact(run / GENERATOR, GENERATOR) if _has_generator(run) else None
    config, about = _with_protocol(config, dataset, generator)
    if generator:
        inputs[GENERATOR] = generator.digest
    elif config.target == "session" and (run / SEMANTIC_IDS).is_dir():  # diversity is measured by them
        inputs[SEMANTIC_IDS] = open_artifact(run / SEMANTIC_IDS, SEMANTIC_IDS).digest
    path, settings = run / ARTIFACT, {**config.model_dump(mode="json"), "seed": seed, **about}
    if not force and is_current(path, ARTIFACT, settings, inputs):
        remark(f"{path} is up to date.")
        return open_artifact(path, ARTIFACT)
    examples = _examples(dataset, config, seed)
    with new_artifact(path, ARTIFACT, settings, inputs, seed) as draft:
        _evaluate(config, run, seed, dataset, examples, draft, about)
    return open_artifact(path, ARTIFACT)


def _with_protocol(
    config: EvaluateConfig, dataset: Dataset, generator: Manifest | None
) -> tuple[EvaluateConfig, dict[str, Any]]:
    """Return the settings as a protocol wants them, and what the results say of it."""
    if config.protocol is None:
        return config, {"protocol": None}
    name = Path(config.protocol).stem
    protocol, digest = load_protocol(config.protocol)
    require_protocol(name, protocol, dataset, generator)
    about = {"name": name, "sha256": digest, "seeds": list(protocol.seeds)}
    return apply_protocol(config, protocol), {"protocol": about}


def _examples(dataset: Dataset, config: EvaluateConfig, seed: int) -> AnyExamples:
    if not any(len(items) for items in dataset.sequences.part("train")):
        raise DataError(f"{dataset.path} has no training part.", "Loosen data.filters or data.split.")
    if config.target == "session":
        sessions = dataset.session_examples(config.split)
        return _not_empty(sample_examples(sessions, config.max_users, seed), dataset, config)
    return _not_empty(sample_examples(dataset.examples(config.split), config.max_users, seed), dataset, config)


def _not_empty(examples: AnyExamples, dataset: Dataset, config: EvaluateConfig) -> AnyExamples:
    if not len(examples):
        raise DataError(f"{dataset.path} has no {config.split} part.", "Choose a data.split that makes one.")
    return examples


def _evaluate(
    config: EvaluateConfig,
    run: Path,
    seed: int,
    dataset: Dataset,
    examples: AnyExamples,
    draft: Draft,
    about: dict[str, Any],
) -> None:
    measured: dict[str, Measured] = {}
    parameters: dict[str, Any] = {}
    tried: dict[str, Any] = {}
    shown: list[dict[str, Any]] = []
    recommender = open_generator(run / GENERATOR, dataset, config.batch_size) if _has_generator(run) else None
    length = session_length(config, recommender) if config.target == "session" else _ITEMS_SHOWN
    judge = _judge(config, dataset, examples, length, _codes(config, run, dataset, recommender))
    if recommender:
        recommend = answers(recommender, dataset, config)
        measured[GENERATOR] = judge(GENERATOR, recommend)
        shown = describe(GENERATOR, recommend, examples, dataset, config, seed, length, recommender.catalogue)
    for name in config.baselines:
        fitted, fit_seconds = fit_or_reuse(name, dataset, config, seed)
        parameters[name], tried[name] = fitted.parameters, fitted.tried
        recommend = from_baseline(fitted.baseline)
        measured[name] = judge(name, recommend, fit_seconds)
        shown = shown or describe(name, recommend, examples, dataset, config, seed, length)
    way = way_to_answer(config, recommender) if recommender and config.target == "session" else None
    if config.target == "session":
        about = {**about, "session_length": length, "generate": way}
    about = {
        **about,
        "seed": seed,
        "history_length": config.history_length,
        "tried": {name: settings for name, settings in tried.items() if settings},
    }
    write_results(draft, config, dataset, examples, measured, parameters, shown, about)


def _has_generator(run: Path) -> bool:
    return (run / GENERATOR).is_dir()


def _codes(
    config: EvaluateConfig, run: Path, dataset: Dataset, recommender: Recommender | None
) -> npt.NDArray[np.integer] | None:
    """Return the items' semantic IDs, the generator's or the run's; None where there are none for these items."""
    if recommender:
        return recommender.catalogue.codes
    if config.target == "item" or not (run / SEMANTIC_IDS).is_dir():
        return None
    catalogue = Catalogue.load(run / SEMANTIC_IDS)
    return catalogue.codes if catalogue.item_ids == dataset.item_ids else None


def _judge(
    config: EvaluateConfig,
    dataset: Dataset,
    examples: AnyExamples,
    length: int,
    codes: npt.NDArray[np.integer] | None,
) -> Callable[..., Measured]:
    """Return what measures a model, given its name, its answers and the seconds that fitting took."""
    items = len(dataset.items)
    popularity = np.bincount(np.concatenate(list(dataset.sequences.part("train"))), minlength=items)

    def judge(name: str, recommend: Recommend, fit_seconds: float = 0.0) -> Measured:
        if isinstance(examples, SessionExamples):
            return measure_sessions(
                name, recommend, examples, config, items, fit_seconds, length=length, codes=codes
            )
        return measure(name, recommend, examples, config, items, fit_seconds, popularity=popularity)

    return judge
