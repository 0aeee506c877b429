"""Settings of a mixture, which need nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from genrec.config import explain
from genrec_alignment.tasks import TASKS, MixtureConfig


def test_an_unknown_task_gets_the_closest_one() -> None:
    with pytest.raises(ValidationError) as error:
        MixtureConfig(weights={"titel_to_sid": 1, "next": 1})
    (line,) = explain(error.value, MixtureConfig, "tasks")
    assert "unknown task 'titel_to_sid'. Did you mean 'title_to_sid'" in line
    assert "unknown task 'next'" in line


@pytest.mark.parametrize("weights", [{}, {"persona": 0}, {"persona": -1}, {"persona": float("inf")}])
def test_weights_that_say_nothing_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        MixtureConfig(weights=weights)


def test_every_task_has_its_own_name() -> None:
    assert all(name == task.name for name, task in TASKS.items())


def test_settings_need_neither_torch_nor_transformers() -> None:
    heavy = "('torch', 'transformers', 'trl', 'datasets')"
    code = f"import sys, genrec_alignment.tasks; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
