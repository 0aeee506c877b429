"""``genrec recommend --ahead``: the search below what was prepared for a user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genrec.console import remark
from genrec.errors import ArtifactError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from genrec.decoding import Ranking
    from genrec.models import Events, Generator


def recommend_ahead(
    generator: Generator,
    user: str,
    past: Events,
    run: Path,
    k: int,
    beams: int,
    exclude: Sequence[npt.NDArray[np.integer]] | None,
) -> Ranking:
    """Return the k best items for a user of the run, those below the prepared prefixes first.

    Args:
        generator: the model that searches.
        user: of the run's dataset.
        past: what the user did.
        run: with the folder that ``genrec think ahead`` wrote.
        k: items wanted.
        beams: width of the search.
        exclude: as for :meth:`genrec.decoding.Recommender.recommend`.

    Raises:
        ArtifactError: if nothing was prepared, or it was with other IDs.
    """
    from genrec.decoding.think.ahead import ThinkAheadRecommender
    from genrec.decoding.think.prepared import KIND, PreparedPrefixes
    from genrec.runs import open_artifact

    prepared = PreparedPrefixes.load(run / KIND)
    ids = open_artifact(run / "semantic_ids", "semantic_ids").digest
    if prepared.semantic_ids != ids:
        raise ArtifactError(
            f"{run / KIND} was prepared with other IDs than {run / 'semantic_ids'} holds.",
            f"Prepare it again: genrec think ahead --run {run}",
        )
    found = ThinkAheadRecommender(generator, prepared).recommend([user], [past], k, beams, exclude)
    remark(f"{found.prepared[0]} of the items lie below what was prepared; the rest is of the whole catalogue.")
    return found.ranking
