"""Rationales from the catalogue's own categories: OneRec-Think's way on public data, in our words.

The authors made theirs by hand from categories, because public histories are short (arXiv:2510.11639); how exactly
is not told, so the sentences here are ours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.tasks.task import listed, pick
from genrec_alignment.tasks.texts import ItemTexts, top_terms

_NAMED, _TERMS, _WORDS = 3, 4, 8
_BECAUSE = (
    "Of the items chosen, {named} stand out: {shared}.",
    "The history has {named}, which are {shared}.",
    "{named} point to {shared}.",
)
_SO = ("So more of {wanted} would fit.", "What fits next is {wanted}.", "This person likes {wanted}.")
_ELSE = "Nothing chosen before is of the same kind; something of {wanted} would be new."


def from_categories(
    texts: ItemTexts, near: npt.NDArray[np.integer], target: int, rng: np.random.Generator
) -> str | None:
    """Return why the items of a pruned history lead to a target, by what they have in common.

    Args:
        texts: categories by ``item_index``; words of the titles where there are none.
        near: the pruned history, most similar first.
        target: what came next.
        rng: draws the phrasing.

    Returns:
        Two sentences that name up to three items, the categories they share with the target, and the target's own;
        None where nothing is known of the target.
    """
    own = texts.terms[target]
    if not own:
        return None
    wanted = listed(own[:_TERMS])
    sharing = [int(item) for item in near if set(texts.terms[item]) & set(own)][:_NAMED]
    if not sharing:
        return _ELSE.format(wanted=wanted)
    shared = top_terms([[term for term in texts.terms[item] if term in own] for item in sharing], _TERMS)
    named = listed([_short(texts, item) for item in sharing])
    return (
        f"{pick(rng, _BECAUSE).format(named=named, shared=listed(shared))} {pick(rng, _SO).format(wanted=wanted)}"
    )


def _short(texts: ItemTexts, item: int) -> str:
    words = (texts.titles[item] or "an item without a title").split()
    return " ".join(words[:_WORDS]) + (" …" if len(words) > _WORDS else "")
