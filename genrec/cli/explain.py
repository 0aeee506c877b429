"""``genrec recommend --explain``: the thought of a model that thinks, or what items and history have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from genrec.decoding import Ranking, Recommender
    from genrec.decoding.think.form import ThoughtForm
    from genrec.models import Events

RESEMBLANCE = "what each item and the history have in common; this is not how the model came to its answer"
THOUGHT = "what the model wrote before it chose"


class Explained(NamedTuple):
    """A ranking and what is said about it.

    Args:
        ranking: of one request.
        kind: ``thought`` or ``resemblance``.
        thoughts: what the model wrote; none of a model that does not think.
        reasons: for each item of the ranking, as plain data; for people ``text`` says the same.
    """

    ranking: Ranking
    kind: str
    thoughts: list[str]
    reasons: list[dict[str, Any]]

    @property
    def plain(self) -> dict[str, Any]:
        """What kind of explanation it is, and the thoughts, as plain data."""
        thoughts = {"thoughts": self.thoughts} if self.kind == "thought" else {}
        return {"kind": self.kind, "note": self.note, **thoughts}

    def lines(self) -> list[str]:
        """Return what is said, for people."""
        if self.kind == "thought":
            return [f"Thought ({self.note}):", *self.thoughts]
        said = (f"{at:>4}  {reason['text']}" for at, reason in enumerate(self.reasons, start=1))
        return [f"Why ({self.note}):", *said]

    @property
    def note(self) -> str:
        """What kind of explanation this is, in words."""
        return THOUGHT if self.kind == "thought" else RESEMBLANCE


def recommend_explained(
    recommender: Recommender,
    past: Events,
    source: str | Path,
    run: Path | None,
    k: int,
    beams: int,
    exclude: Sequence[npt.NDArray[np.integer]] | None,
) -> Explained:
    """Return the k best items with an explanation.

    Args:
        recommender: of the generator.
        past: the history.
        source: the generator's folder or hub id; the folder says whether the model was trained to think.
        run: whose dataset tells the items' categories; None: they are not known.
        k: items wanted.
        beams: width of the search.
        exclude: as for :meth:`genrec.decoding.Recommender.recommend`.
    """
    from genrec.decoding.think.form import ThoughtForm
    from genrec.models.generator import local_folder

    form = ThoughtForm.load(local_folder(source))
    if form is not None:
        return _by_thought(recommender, past, form, k, beams, exclude)
    ranking = recommender.recommend([past], k, beams, exclude)
    return Explained(ranking, "resemblance", [], _by_resemblance(recommender, past, run, ranking))


def _by_thought(
    recommender: Recommender,
    past: Events,
    form: ThoughtForm,
    k: int,
    beams: int,
    exclude: Sequence[npt.NDArray[np.integer]] | None,
) -> Explained:
    from genrec.decoding.think.recommender import ThinkingRecommender

    thinking = ThinkingRecommender(recommender.generator, form=form)
    found = thinking.recommend([past.items], k, beams, exclude)
    reasons = [{"thought": int(at)} for at in found.after[0] if at >= 0]
    return Explained(found.ranking, "thought", found.thoughts[0], reasons)


def _by_resemblance(
    recommender: Recommender, past: Events, run: Path | None, ranking: Ranking
) -> list[dict[str, Any]]:
    from genrec.decoding.resemblance import resemblance

    catalogue, terms = recommender.catalogue, _terms(recommender, run)
    reasons = []
    for item in ranking.items[0][ranking.items[0] >= 0].tolist():
        found = resemblance(catalogue.codes, past.items, item, terms)
        like = [
            {"item_id": catalogue.item_ids[other], "title": catalogue.titles[other], "shared_codes": shared}
            for other, shared in zip(found.items, found.codes, strict=True)
        ]
        reasons.append({"like": like, "terms": found.terms, "text": _words(like, found.terms)})
    return reasons


def _terms(recommender: Recommender, run: Path | None) -> list[list[str]] | None:
    """Return the categories of the catalogue's items, as far as the run's dataset knows them."""
    from genrec.data import Dataset
    from genrec_alignment.tasks.texts import item_texts

    if run is None or not (run / "dataset").is_dir():
        return None
    dataset = Dataset.load(run / "dataset")
    known = dict(zip(dataset.item_ids, item_texts(dataset.items, None, None, 0).terms, strict=True))
    return [known.get(item, []) for item in recommender.catalogue.item_ids]


def _words(like: Sequence[dict[str, Any]], terms: Sequence[str]) -> str:
    parts = [f"ID begins like {'; '.join(one['title'] for one in like)}"] if like else []
    parts += [f"shares {', '.join(terms)}"] if terms else []
    return ", ".join(parts) or "nothing in common with the history that the IDs or categories would tell"
