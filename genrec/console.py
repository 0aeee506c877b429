"""What people see while genrec works: progress and remarks on stderr, so that stdout holds results only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")

console = Console(stderr=True, highlight=False)


def remark(text: str) -> None:
    """Show one line about what was done or decided."""
    console.print(text, markup=False, soft_wrap=True)


@cache
def remark_once(text: str) -> None:
    """Show one line the first time that this process has it to say."""
    remark(text)


def track(work: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Iterate over ``work`` behind a progress bar with counts and the time left."""
    if total is None and hasattr(work, "__len__"):
        total = len(work)  # type: ignore[arg-type]
    with progress_bar() as bar:
        yield from bar.track(work, total=total, description=description)


def progress_bar() -> Progress:
    """Return a progress bar of the common look, to be used as a context manager."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console)
