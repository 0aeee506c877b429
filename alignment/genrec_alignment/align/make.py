"""Make ``run/align``: a policy that two reward models prefer and that recommends no worse, or the reasons why not.

``generator/``    the last policy that was accepted, a generator artefact of its own; missing if none was
``results.json``  figures, verdict, counts and times of the first policy and of every round
``rounds/1/``     the preference rows of the round, and its figures request by request
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genrec.console import remark
from genrec.models import Generator
from genrec.processes import is_main_process, process_share, wait_for_all
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec_alignment.align.config import AlignConfig
from genrec_alignment.align.inputs import open_inputs
from genrec_alignment.align.preferences import PAIRS_FILE
from genrec_alignment.align.rounds import FIGURES_FILE, Alignment, Report

KIND, RESULTS_FILE = "align", "results.json"


def make_alignment(
    config: AlignConfig,
    run: Path,
    seed: int,
    *,
    resume: bool = False,
    force: bool = False,
    tell: Callable[[Report], None] | None = None,
) -> Manifest:
    """Align ``run/generator`` with ``run/reward`` and write ``run/align``.

    Rounds lie in ``run/align.partial`` until all are done. Under ``accelerate launch`` every process calls this;
    they share beams and batches, and the first one writes.

    Args:
        config: the ``align`` section.
        run: the run folder; needs ``dataset``, ``generator`` and ``reward``.
        seed: of every random choice.
        resume: go on where an interrupted alignment with the same settings was cut off.
        force: align again even if the artefact is current.
        tell: shows the report of every round.

    Raises:
        ArtifactError: if an artefact is missing, or they do not belong together.
        DataError: if the reward models did not pass their gate, or no candidate is better than another.
    """
    inputs = open_inputs(run, config)
    settings, target = config.model_dump(mode="json") | {"seed": seed}, run / KIND
    if not force and is_current(target, KIND, settings, inputs.digests):
        remark(f"{target} is up to date.")
        return open_artifact(target, KIND)
    partial = run / f"{KIND}.partial"
    _begin(partial, settings | inputs.digests | {"processes": process_share()[1]}, resume)
    alignment = Alignment(config, inputs, seed, partial, tell or _silent)
    reports = alignment.run()
    if is_main_process():
        _write(alignment, reports, target, settings)
        shutil.rmtree(partial, ignore_errors=True)
    wait_for_all()
    return open_artifact(target, KIND)


def _silent(report: Report) -> None:
    del report


def _begin(partial: Path, work: dict[str, Any], resume: bool) -> None:
    """Empty the folder of an earlier alignment, unless it is this one and shall go on."""
    mark = hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()
    file = partial / "work.sha256"
    same = file.is_file() and file.read_text(encoding="utf-8") == mark
    wait_for_all()
    if is_main_process() and not (same and resume):
        if partial.exists():
            why = "--resume was not given" if same else "its settings or inputs differ"
            remark(f"Leaving the interrupted alignment in {partial} aside, because {why}.")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        file.write_text(mark, encoding="utf-8")
    wait_for_all()


def _write(alignment: Alignment, reports: list[Report], target: Path, settings: dict[str, Any]) -> None:
    digests, seed = alignment.inputs.digests, alignment.seed
    best = max(report["round"] for report in reports if report["accepted"])
    with new_artifact(target, KIND, settings, digests, seed) as draft:
        draft.earlier_seconds = sum(report["seconds"] for report in reports)
        for report in reports:
            _keep(alignment.partial / str(report["round"]), draft.path / "rounds" / str(report["round"]))
        (draft.path / RESULTS_FILE).write_text(json.dumps({"rounds": reports}, indent=1) + "\n", encoding="utf-8")
        accepted = [report["round"] for report in reports[1:] if report["accepted"]]
        draft.details = {
            "accepted": accepted,
            "rolled_back": {str(report["round"]): report["reasons"] for report in reports if report["reasons"]},
            "before": reports[0]["figures"],
            "after": reports[best]["figures"],
        }
        if not accepted:
            return
        policy = Generator.from_pretrained(alignment.policy(best), device="cpu")
        made = new_artifact(draft.path / "generator", "generator", alignment.inputs.settings, digests, seed)
        with made as generator:
            policy.save_pretrained(generator.path)
            generator.details = {"aligned_rounds": len(accepted), "figures": reports[best]["figures"]}


def _keep(folder: Path, kept: Path) -> None:
    kept.mkdir(parents=True)
    for name in (PAIRS_FILE, FIGURES_FILE):
        if (folder / name).is_file():
            shutil.copy(folder / name, kept / name)
