"""``genrec doctor``: what this machine has, what is missing, and the line that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from genrec.cli.common import JsonOption
from genrec.console import console

if TYPE_CHECKING:
    from genrec.doctor import Diagnosis, Finding

_MARKS = {"ok": "ok     ", "missing": "missing", "broken": "BROKEN "}


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(name="doctor")(doctor)


def doctor(as_json: JsonOption = False) -> None:
    """Show versions, devices, packages, and bundled weights and data; say how to get what is missing.

    Exit code 1 means that something genrec cannot work without is missing or broken.

    Example: `genrec doctor --json`
    """
    import json

    from genrec.doctor import diagnose

    with console.status("Looking around"):
        diagnosis = diagnose()
    if as_json:
        print(json.dumps(diagnosis.as_dict()))
    else:
        _print(diagnosis)
    if not diagnosis.ok:
        raise typer.Exit(1)


def _print(diagnosis: Diagnosis) -> None:
    print("Versions")
    _columns(diagnosis.versions)
    print("\nMachine")
    _columns(_machine(diagnosis.machine))
    print("\nPackages, weights and data")
    for finding in sorted(diagnosis.findings, key=lambda finding: finding.state == "ok"):
        _print_finding(finding)
    print("\nAll that genrec needs is there." if diagnosis.ok else "\ngenrec cannot work before this is mended.")


def _print_finding(finding: Finding) -> None:
    need = " (required)" if finding.required and finding.state != "ok" else ""
    print(f"  {_MARKS[finding.state]}  {finding.name}{need}: {finding.detail}")
    if finding.remedy:
        print(f"           -> {finding.remedy}")


def _machine(machine: dict[str, Any]) -> dict[str, str]:
    gpus = [f"{gpu['name']}, {gpu['memory_gib']} GiB, bfloat16 {_yes(gpu['bfloat16'])}" for gpu in machine["gpus"]]
    return {
        "system": machine["system"],
        "cores": str(machine["cores"]),
        "memory": f"{machine['memory_gib']} GiB",
        "CPU": ", ".join(machine["cpu_features"]) or "no AVX",
        "GPU": "; ".join(gpus) or "none",
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _columns(rows: dict[str, str]) -> None:
    width = max(map(len, rows))
    for name, text in rows.items():
        print(f"  {name:<{width}}  {text}")
