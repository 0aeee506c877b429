"""Settings of ``genrec data``: where the log lies, how it is read, filtered, cut into sessions and split."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from genrec.config import Section

Fraction = Annotated[float, Field(gt=0, lt=1)]
RaiseOrDrop = Literal["raise", "drop"]


class Columns(Section):
    """Which column of the log holds what; needed by the sources ``table`` and ``recbole`` only."""

    user_id: str | None = Field(None, description="column with the user's identifier")
    item_id: str | None = Field(None, description="column with the item's identifier")
    timestamp: str | None = Field(None, description="column with the time; without one, file order counts")
    behavior: str | None = Field(None, description="column with the kind of action: view, click, like, …")
    value: str | None = Field(None, description="column with the strength: a rating, seconds watched")
    domain: str | None = Field(None, description="column with the market, category or product the row is from")
    request_id: str | None = Field(None, description="column with the request that showed the item")
    position: str | None = Field(None, description="column with the place of the item within its request")
    split: str | None = Field(
        None, description="column with train, valid, test or context, for data.split.by=given"
    )


class ItemColumns(Section):
    """Which column of the catalogue holds what; needed by the sources ``table`` and ``recbole`` only."""

    item_id: str | None = Field(None, description="column with the item's identifier")
    title: str | None = Field(None, description="column with the text shown to people")
    text: tuple[str, ...] = Field((), description="further columns that describe the item in words")
    image: str | None = Field(
        None, description="column with an image path, or a template such as 'img/{id}.jpg' over the file's columns"
    )


class UserColumns(Section):
    """Which column of the table of users holds what; needed by the sources ``table`` and ``recbole`` only."""

    user_id: str | None = Field(None, description="column with the user's identifier")
    columns: tuple[str, ...] = Field((), description="columns that say who the user is; empty means all")


class Filters(Section):
    """Which interactions stay. Applied in this order; every loss is counted in the manifest."""

    since: datetime | None = Field(None, description="first moment that counts (UTC)")
    until: datetime | None = Field(None, description="first moment that no longer counts (UTC)")
    behaviors: tuple[str, ...] = Field((), description="only these behaviors; empty means all")
    min_value: float | None = Field(None, description="smallest value that counts")
    min_user_interactions: int = Field(1, ge=1, description="k-core: a user with fewer interactions is dropped")
    min_item_interactions: int = Field(1, ge=1, description="k-core: an item with fewer interactions is dropped")


class Split(Section):
    """How interactions are divided into training, validation and test."""

    by: Literal["leave_one_out", "leave_one_session_out", "temporal", "by_user", "given"] = Field(
        "leave_one_out",
        description="each user's last two interactions or sessions, two moments for all, whole users, or the split "
        "column",
    )
    valid: Fraction = Field(0.1, description="temporal: share of interactions; by_user: share of users")
    test: Fraction = Field(0.1, description="temporal: share of interactions; by_user: share of users")

    @model_validator(mode="after")
    def _something_left(self) -> Split:
        if self.valid + self.test >= 1:
            raise ValueError("valid + test must leave something to train on")
        return self


class Sessions(Section):
    """How interactions are gathered into sessions (the ``session`` column)."""

    by: Literal["none", "request", "gap", "count"] = Field(
        "none", description="no sessions, one for each request_id, after a pause, or every so many interactions"
    )
    gap_minutes: float = Field(30.0, gt=0, description="gap: a longer pause starts a new session")
    size: int = Field(10, ge=1, description="count: interactions in a session")


class Problems(Section):
    """What happens to rows that cannot be used as they are. Whatever is dropped or kept is counted and shown."""

    missing_ids: RaiseOrDrop = Field(
        "raise", description="interactions without a user or an item; items without an id"
    )
    bad_timestamps: RaiseOrDrop = Field("raise", description="timestamps that are missing or cannot be read")
    timestamps_out_of_range: RaiseOrDrop = Field("raise", description="timestamps before 1990 or after 2100")
    bad_values: Literal["raise", "drop", "keep"] = Field(
        "raise", description="values or positions that are not numbers; keep empties them"
    )
    unknown_items: Literal["raise", "drop", "keep"] = Field(
        "raise", description="interactions with items the catalogue lacks; keep adds the items without text"
    )
    duplicate_items: RaiseOrDrop = Field(
        "raise", description="items listed again with other contents; drop keeps the first"
    )
    repeated_interactions: Literal["raise", "drop", "keep"] = Field(
        "drop", description="interactions equal to another in user, item, time and everything else"
    )
    empty_text: Literal["raise", "keep"] = Field("keep", description="items without any text")
    broken_images: RaiseOrDrop = Field(
        "raise", description="images that are missing or unreadable; drop empties the path"
    )


MAPPED_SOURCES = ("table", "recbole")
SOURCES_WITH_ITEMS = (*MAPPED_SOURCES, "amazon", "sequences", "abxi")


class DataConfig(Section):
    """Settings of ``genrec data``."""

    source: str = Field("movielens", description="the importer: see `genrec data --sources`")
    path: Path | None = Field(None, description="the log: a file or a folder; none means MovieLens-100k of recbole")
    items: Path | None = Field(None, description="the catalogue, where it is not found beside the log")
    users: Path | None = Field(None, description="who the users are: age, country, …; recbole's .user is found")
    columns: Columns = Field(Columns(), description="table, recbole: the columns of the log")
    item_columns: ItemColumns = Field(ItemColumns(), description="table, recbole: the columns of the catalogue")
    user_columns: UserColumns = Field(UserColumns(), description="table, recbole: the columns of the users")
    time_format: str = Field(
        "auto", description="auto, s, ms, us, ns (numbers since 1970), iso, or a pattern such as '%d/%m/%Y %H:%M'"
    )
    keep_unseen_items: bool = Field(False, description="keep items of the catalogue that no interaction names")
    filters: Filters = Field(Filters(), description="which interactions stay")
    sessions: Sessions = Field(Sessions(), description="how sessions are cut")
    split: Split = Field(Split(), description="how training, validation and test are divided")
    problems: Problems = Field(Problems(), description="what happens to rows that cannot be used")

    @model_validator(mode="after")
    def _fits_the_source(self) -> DataConfig:
        given = [
            name for name in unused_fields(self) if getattr(self, name) != type(self).model_fields[name].default
        ]
        if given:
            raise ValueError(
                f"source {self.source!r} finds these out by itself, leave them out: {', '.join(given)}"
            )
        if self.path is None and self.source != "movielens":
            raise ValueError(f"path: source {self.source!r} needs the file or folder of the log")
        return self

    @model_validator(mode="after")
    def _sessions_to_leave_out(self) -> DataConfig:
        if self.split.by == "leave_one_session_out" and self.sessions.by == "none":
            raise ValueError(
                "split.by 'leave_one_session_out' needs sessions: set sessions.by to request, gap or count"
            )
        return self


def unused_fields(config: DataConfig) -> list[str]:
    """Return the settings that the source of a configuration has no use for."""
    mapped = ["users", "columns", "item_columns", "user_columns"]
    unused = [] if config.source in MAPPED_SOURCES else mapped
    return unused if config.source in SOURCES_WITH_ITEMS else ["items", *unused]
