"""What the manifest says about a dataset, and how it is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from genrec.data.config import DataConfig
from genrec.data.dataset import SPLITS
from genrec.data.splits import SplitPlan
from genrec.data.validation import Finding
from genrec.data.writing import Figures


def describe(
    figures: Figures,
    items: pl.DataFrame,
    plan: SplitPlan,
    config: DataConfig,
    time_unit: str,
    findings: list[Finding],
    losses: list[dict[str, Any]],
    notes: list[str],
) -> dict[str, Any]:
    """Return the details of the manifest: counts, times, split, sessions, and what was dropped or kept."""
    interactions = sum(figures.splits.values())
    cells = figures.users * len(items)
    details: dict[str, Any] = {
        "counts": {
            "users": figures.users,
            "items": len(items),
            "interactions": interactions,
            "density": interactions / cells,
        },
        "time_unit": time_unit,
        "time_range": list(figures.times or ()),
        "split": _split(figures, plan),
        "sessions": {"by": config.sessions.by},
        "text_columns": _text_columns(items),
        "images": items["image"].count() if "image" in items.columns else 0,
        "dropped": [finding.record() for finding in findings if finding.action == "drop"] + losses,
        "kept": [finding.record() for finding in findings if finding.action == "keep"],
        "notes": notes,
    }
    if config.sessions.by != "none":
        options = {"gap": {"gap_minutes": config.sessions.gap_minutes}, "count": {"size": config.sessions.size}}
        details["sessions"] |= options.get(config.sessions.by, {})
        details["sessions"] |= {"sessions": figures.sessions, "mean_length": interactions / figures.sessions}
    for name, counter in (("behaviors", figures.behaviors), ("domains", figures.domains)):
        if counter:
            details[name] = dict(counter.most_common())
    return details


def _text_columns(items: pl.DataFrame) -> list[str]:
    return [name for name in items.columns if name not in ("item_id", "image") and items[name].count()]


def _split(figures: Figures, plan: SplitPlan) -> dict[str, Any]:
    sizes = {name: figures.splits.get(name, 0) for name in SPLITS}
    return {
        "by": plan.by,
        "rule": plan.describe(),
        **sizes,
        "users_too_short": figures.only_train if plan.by.startswith("leave_one") else figures.only_context,
        "targets_never_seen_in_train": int(figures.aimed_at[figures.learned == 0].sum()),
    }


def readable(details: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a manifest's details as lines to show: a name and a text each."""
    counts, split = details["counts"], details["split"]
    lines = [
        ("users", f"{counts['users']:,}"),
        ("items", f"{counts['items']:,}"),
        ("interactions", f"{counts['interactions']:,} (density {counts['density']:.4%})"),
        ("time", _time(details)),
        ("split", f"{split['by']}: " + ", ".join(f"{split[name]:,} {name}" for name in SPLITS if split[name])),
        ("split rule", split["rule"]),
        ("users too short for it", f"{split['users_too_short']:,}"),
        ("targets never seen in train", f"{split['targets_never_seen_in_train']:,}"),
        ("text", ", ".join(details["text_columns"]) or "none"),
    ]
    if details["images"]:
        lines.append(("images", f"{details['images']:,}"))
    for name in ("behaviors", "domains"):
        if name in details:
            lines.append((name, ", ".join(f"{key} {count:,}" for key, count in details[name].items())))
    if "mean_length" in details["sessions"]:
        sessions = details["sessions"]
        lines.append(
            ("sessions", f"{sessions['sessions']:,} by {sessions['by']}, {sessions['mean_length']:.1f} long")
        )
    for state in ("dropped", "kept"):
        lines += [(state, f"{entry['count']:,} {entry['what']}{_seen(entry)}") for entry in details[state]]
    lines += [("note", note) for note in details["notes"]]
    return lines


def _time(details: dict[str, Any]) -> str:
    if details["time_unit"] != "ms":
        return "order only"
    first, last = (datetime.fromtimestamp(ms / 1000, UTC) for ms in details["time_range"])
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def _seen(entry: dict[str, Any]) -> str:
    return f": {', '.join(entry['examples'][:3])}" if entry["examples"] else ""
