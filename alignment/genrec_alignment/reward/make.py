"""Make ``run/reward``: two reward models trained on disjoint users, and what both are worth on users of neither.

``model/``         the one to align with
``judge/``         the one to judge with: it has seen none of the other's users
``users.parquet``  user_id and part: ``model``, ``judge`` or ``held_out``
``results.json``   the tables of both
"""

from __future__ import annotations

from pathlib import Path

from genrec.console import remark
from genrec.data import Dataset
from genrec.errors import DataError
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec.runs.parts import Parts
from genrec.semantic_ids import Catalogue
from genrec_alignment.reasoning.pruning import item_vectors
from genrec_alignment.reward.config import RewardConfig
from genrec_alignment.reward.pair import ModelPair

KIND = "reward"


def make_reward(
    config: RewardConfig, run: Path, seed: int, *, resume: bool = False, force: bool = False
) -> Manifest:
    """Train both models on the run's dataset and write ``run/reward``.

    The manifest's details hold the tables, the gate (``details["gate"]["passed"]``), which negatives were used and
    the weights of the merged reward. A model that is finished waits for the other in ``run/reward.partial``.

    Args:
        config: the settings.
        run: the run folder; needs ``dataset`` with sessions, and ``semantic_ids``.
        seed: of the division of users, and of training.
        resume: take the model that an interrupted call with the same settings had finished.
        force: make it again even if it is current.

    Raises:
        ArtifactError: if the dataset, the semantic IDs or the items' vectors beside them are missing.
        DataError: if there are no sessions, an objective cannot be had, or there are too few users.
    """
    dataset, ids = Dataset.load(run / "dataset"), open_artifact(run / "semantic_ids", "semantic_ids")
    settings = config.model_dump(mode="json") | {"seed": seed}
    inputs = {"dataset": dataset.manifest.digest, "semantic_ids": ids.digest}
    if not force and is_current(run / KIND, KIND, settings, inputs):
        remark(f"{run / KIND} is up to date.")
        return open_artifact(run / KIND, KIND)
    catalogue = Catalogue.load(run / "semantic_ids")
    if catalogue.item_ids != dataset.item_ids:
        raise DataError(f"The semantic IDs in {run} are of other items than its dataset.", "Run genrec tokenize.")
    pair = ModelPair(config, dataset, catalogue, item_vectors(run / "semantic_ids", len(catalogue)), seed)
    with new_artifact(run / KIND, KIND, settings, inputs, seed) as draft:
        partial = Parts(run / f"{KIND}.partial", settings | inputs, resume)
        draft.details = pair.make(draft.path, partial.folder)
    partial.remove()
    remark(f"Merged reward: the sum of the objectives times {draft.details['weights']}.")
    return open_artifact(run / KIND, KIND)
