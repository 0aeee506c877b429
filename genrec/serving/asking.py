"""Requests in the words of their senders made into what the search reads, with what had to be left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genrec.decoding.requests import readable
from genrec.decoding.titles import TitleMatch
from genrec.errors import ConfigError
from genrec.models.histories import Events
from genrec.serving.answers import Ignored, Title
from genrec.serving.deployment import Deployment
from genrec.serving.histories import People, StoredEvent
from genrec.serving.histories.people import Past
from genrec.serving.messages import RecommendRequest


@dataclass(frozen=True)
class Ask:
    """One request, in one deployment's item indices.

    Args:
        request: as it came.
        deployment: what it will be answered with.
        past: the known items of the history.
        exclude: int64 [items], what must not be recommended.
        ignored: what was left out.
        titles: what each title was taken for; None where none were given.
        prompt: what a language model reads of titles that the catalogue does not have; else None.
    """

    request: RecommendRequest
    deployment: Deployment
    past: Events
    exclude: npt.NDArray[np.int64]
    ignored: Ignored
    titles: list[Title] | None = None
    prompt: list[int] | None = None

    @property
    def width(self) -> int:
        """Width of the search."""
        return max(self.request.places, self.request.beams)

    @property
    def thinks(self) -> bool:
        """Whether the model writes its thought first."""
        return self.request.explain and self.deployment.form is not None


def resolve(
    request: RecommendRequest, deployment: Deployment, people: People, stored: list[StoredEvent] | None = None
) -> Ask:
    """Look up what a request names.

    Args:
        request: what is asked.
        deployment: what it will be answered with.
        people: the users.
        stored: the feedback of the user it names, if it has been read already.

    Raises:
        ConfigError: if it asks for something that this service cannot give.
        ArtifactError: if the generator does not write sessions of this length.
    """
    _check(request, deployment)
    if request.titles is not None:
        ask = _of_titles(request, deployment)
    elif request.user_id is not None:
        ask = _of_user(request, deployment, people.past(request.user_id, stored), request.user_id)
    else:
        names = request.history or []
        ask = _ask(request, deployment, *_known(deployment, names, _encoded(deployment, names)))
    readable(deployment.generator, [ask.past], request.session or 1)
    return ask


def _check(request: RecommendRequest, deployment: Deployment) -> None:
    if request.domain is not None and request.domain not in deployment.searches:
        known = ", ".join(sorted(deployment.searches)[:20])
        raise ConfigError(
            f"There is no domain {request.domain!r} here.", f"Domains: {known}." if known else "Leave it out."
        )
    if request.new_places > request.places:
        raise ConfigError(f"new_places is {request.new_places}, more than the {request.places} items wanted.")
    if (
        request.explain
        and deployment.form is not None
        and (request.session or request.new_places or request.domain)
    ):
        raise ConfigError(
            "This model explains lists of items by its thought, without session, new_places and domain.",
            "Leave them or explain out.",
        )


def _of_user(request: RecommendRequest, deployment: Deployment, past: Past | None, user: str) -> Ask:
    if past is None:
        return _ask(request, deployment, Events(np.zeros(0, np.int64)), [], Ignored(user_id=user))
    return _ask(request, deployment, *_known(deployment, past.item_ids, past.features))


def _of_titles(request: RecommendRequest, deployment: Deployment) -> Ask:
    matches = deployment.titles(request.titles or [])
    names = [deployment.catalogue.item_ids[match.item] for match in matches if match.item is not None]
    unknown = [match.given for match in matches if match.item is None]
    language = deployment.generator.language
    prompt = None
    if unknown and language is not None and not (request.session or request.explain or request.domain):
        from genrec.models.language import title_prompt

        prompt, unknown = title_prompt(language.chat, [match.title for match in matches]), []
    past, _ = _known(deployment, names, _encoded(deployment, names))
    titles = [_title(match, deployment) for match in matches]
    return _ask(request, deployment, past, [], Ignored(titles=unknown), titles, prompt)


def _title(match: TitleMatch, deployment: Deployment) -> Title:
    if match.item is None:
        return Title(given=match.given, item_id=None, title=None)
    return Title(given=match.given, item_id=deployment.catalogue.item_ids[match.item], title=match.title)


def _ask(
    request: RecommendRequest,
    deployment: Deployment,
    past: Events,
    unknown: Sequence[str],
    ignored: Ignored | None = None,
    titles: list[Title] | None = None,
    prompt: list[int] | None = None,
) -> Ask:
    ignored = ignored or Ignored(history=list(unknown))
    exclude, not_there = deployment.rows(request.exclude)
    if not request.allow_seen:
        exclude = np.concatenate([exclude, np.asarray(past.items, dtype=np.int64)])
    ignored = ignored.model_copy(update={"exclude": not_there})
    return Ask(request, deployment, past, np.unique(exclude), ignored, titles, prompt)


def _known(
    deployment: Deployment, names: Sequence[str], features: npt.NDArray[np.integer] | None
) -> tuple[Events, list[str]]:
    """Return the events whose items the catalogue has, and the ids of the others."""
    rows, unknown = deployment.rows(names)
    if features is not None and unknown:
        index = deployment.catalogue.index_of
        features = features[[name in index for name in names]]
    return Events(rows, features), unknown


def _encoded(deployment: Deployment, names: Sequence[str]) -> npt.NDArray[np.int32] | None:
    """Return the features of events of which only the item is known."""
    features = deployment.generator.features
    return None if features is None else features.encode(names)
