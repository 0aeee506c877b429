"""Four views of a history side by side, as in OneRec's technical report (arXiv:2506.13695, card of the encoder).

    profile    who the user is: one vector
    short      the latest events of any kind
    positive   the latest events with positive feedback
    lifelong   all events, read by learned queries

Each view has a two-layer network of its own, Dense(LeakyReLU(Dense)), and every place of every view a learned
vector. Which events belong to which view follows from their order and from the feature ``liked``; the profile is
read from the features ``user:COLUMN`` of the newest event, which are the same in all events of a user.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig, PathwaysConfig
from genrec.models.onerec.configuration import HistoryModelConfig
from genrec.models.onerec.history.lifelong import LifelongReader
from genrec.models.onerec.history.places import newest, take, to_the_left

_YES = 2  # the code of positive feedback, see genrec.data.categories.Liked
_PROFILE_SIZE = 64  # width of a profile column's vectors in the report


class Dense(nn.Sequential):
    """Two layers with a LeakyReLU between them."""

    def __init__(self, inputs: int, hidden_size: int) -> None:
        super().__init__(nn.Linear(inputs, hidden_size), nn.LeakyReLU(), nn.Linear(hidden_size, hidden_size))


class Profile(nn.Module):
    """One vector for who the user is.

    Args:
        sizes: the number of codes of each column.
        hidden_size: width of the vector.
    """

    def __init__(self, sizes: Sequence[int], hidden_size: int) -> None:
        super().__init__()
        self.columns = nn.ModuleList(nn.Embedding(size, _PROFILE_SIZE) for size in sizes)
        self.dense = Dense(_PROFILE_SIZE * len(sizes), hidden_size)

    def forward(self, profile: Tensor) -> Tensor:
        """Return [batch, 1, hidden] for profiles int64 [batch, columns]."""
        vectors = [column(profile[:, at]) for at, column in enumerate(self.columns)]
        return self.dense(torch.cat(vectors, dim=1))[:, None]


class Pathways(nn.Module):
    """The memory's input from the views of a history.

    Args:
        config: the model's configuration; its feature names say where profile and feedback stand.
        shape: the model's shape, with ``history.pathways``.
    """

    def __init__(self, config: HistoryModelConfig, shape: EncoderDecoderConfig | LazyDecoderConfig) -> None:
        super().__init__()
        pathways, width = shape.history.pathways, shape.hidden_size
        assert pathways is not None
        names = config.feature_names
        self.short, self.positive = pathways.short, pathways.positive
        self.liked = names.index("liked") if "liked" in names else None
        self.profile_columns = profile_columns(names) if pathways.profile else []
        sizes = [config.feature_sizes[column] for column in self.profile_columns]
        self.profile = Profile(sizes, width) if sizes else None
        self.dense = nn.ModuleDict({name: Dense(width, width) for name in _event_views(pathways)})
        self.reader = None
        if pathways.lifelong:
            self.reader = LifelongReader(
                config,
                width,
                shape.intermediate_size,
                shape.heads,
                pathways.lifelong_queries,
                pathways.lifelong_layers,
            )
        self.places = nn.ModuleDict({name: nn.Embedding(size, width) for name, size in self._sizes(pathways)})

    def _sizes(self, pathways: PathwaysConfig) -> list[tuple[str, int]]:
        sizes = [("short", self.short), ("positive", self.positive)]
        profile = [("profile", 1)] if self.profile is not None else []
        return [*profile, *sizes, *([("lifelong", pathways.lifelong_queries)] if pathways.lifelong else [])]

    def forward(self, states: Tensor, mask: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the views one after the other, padded on the right, with their mask.

        Args:
            states: [batch, events, hidden], oldest first.
            mask: bool [batch, events], False on padding, which is on the right.
            features: int64 [batch, events, features].
        """
        views: dict[str, tuple[Tensor, Tensor]] = {}
        if self.profile is not None:
            views["profile"] = self._profile(mask, features)
        views["short"] = self._events("short", states, newest(mask, self.short))
        liked = mask if self.liked is None else mask & (features[..., self.liked] == _YES)
        views["positive"] = self._events("positive", states, newest(liked, self.positive))
        if self.reader is not None:
            views["lifelong"] = self.reader(self.dense["lifelong"](states), mask)
        placed = [
            vectors + self.places[name](torch.arange(vectors.shape[1], device=mask.device))
            for name, (vectors, _) in views.items()
        ]
        masks = [real for _, real in views.values()]
        return to_the_left(torch.cat(placed, dim=1), torch.cat(masks, dim=1))

    def _profile(self, mask: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        assert self.profile is not None
        last = (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
        codes = take(features, last)[:, 0, self.profile_columns]
        return self.profile(codes), torch.ones_like(last, dtype=torch.bool)

    def _events(self, view: str, states: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        return self.dense[view](take(states, places)), places >= 0


def profile_columns(names: Sequence[str]) -> list[int]:
    """Return where among a model's features the columns of the users stand."""
    return [at for at, name in enumerate(names) if name.startswith("user:")]


def _event_views(pathways: PathwaysConfig) -> list[str]:
    return ["short", "positive", *(["lifelong"] if pathways.lifelong else [])]
