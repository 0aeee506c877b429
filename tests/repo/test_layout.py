"""The folders named tokenizers, alignment and eval must never shadow the packages of those names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

STAGE_FOLDERS = {"tokenizers": "genrec_tokenizers", "alignment": "genrec_alignment", "eval": "genrec_eval"}
# Who may import whom; genrec's verbs may import every stage, inside a function.
MAY_IMPORT = {
    "genrec": set(),
    "genrec_tokenizers": {"genrec"},
    "genrec_eval": {"genrec"},
    "genrec_alignment": {"genrec", "genrec_eval"},
}
OURS = set(MAY_IMPORT)


def package_folder(root: Path, package: str) -> Path:
    folders = {inner: root / outer / inner for outer, inner in STAGE_FOLDERS.items()}
    return folders.get(package, root / package)


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Yield our packages that a file imports, and whether it does so when it is itself imported."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in names:
            if (package := name.partition(".")[0]) in OURS:
                yield package, id(node) not in inside


@pytest.mark.parametrize("package", sorted(OURS))
def test_imports_follow_the_arrows(package: str, root: Path) -> None:
    folder = package_folder(root, package)
    files = sorted(folder.rglob("*.py"))
    assert files
    for file in files:
        is_verb = package == "genrec" and file.parent == folder / "cli"
        for target, at_import in imports(file):
            allowed = target in MAY_IMPORT[package] | {package} or (is_verb and not at_import)
            assert allowed, f"{file.relative_to(root)} must not import {target}"


def test_hugging_face_tokenizers_is_found_from_the_root(root: Path) -> None:
    program = "import sys; sys.path.insert(0, ''); import tokenizers; print(tokenizers.__file__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, timeout=60)
    assert "site-packages" in done.stdout, done.stderr


@pytest.mark.parametrize("folder", sorted(STAGE_FOLDERS))
def test_stage_folders_hold_their_package_recipes_and_a_page_only(folder: str, root: Path) -> None:
    place = root / folder
    assert not (place / "__init__.py").exists(), f"{folder}/__init__.py would shadow another package"
    assert (place / STAGE_FOLDERS[folder] / "__init__.py").is_file()
    assert (place / "README.md").read_text(encoding="utf-8").startswith("# ")
    known = {STAGE_FOLDERS[folder], "README.md", "recipes"}
    assert {entry.name for entry in place.iterdir() if not entry.name.startswith((".", "__"))} <= known


def test_no_program_bears_a_package_s_name(root: Path) -> None:
    """Python puts a program's folder first on sys.path and would take its tokenizers.py for Hugging Face's."""
    programs = {file.stem for file in (root / "benchmarks").glob("*.py")}
    assert programs
    assert not programs & {"tokenizers", "transformers", "datasets", "torch", "faiss", "ray", "vllm", *OURS}


def test_every_test_folder_is_a_package(root: Path) -> None:
    """A tests/tokenizers that is none would be importable as `tokenizers` from tests/."""
    folders = [root / "tests", *(entry for entry in (root / "tests").rglob("*") if entry.is_dir())]
    lacking = [folder for folder in folders if any(folder.glob("*.py")) and not (folder / "__init__.py").exists()]
    assert lacking == []


def test_pytest_imports_tests_by_path(root: Path) -> None:
    """Two tests of the same bare name in different folders only work in this mode."""
    assert "--import-mode=importlib" in (root / "pyproject.toml").read_text(encoding="utf-8")


def test_nothing_that_runs_code_from_data_is_used(root: Path) -> None:
    """No pickle, and no code from a model's repository."""
    for package in sorted(OURS):
        for file in sorted(package_folder(root, package).rglob("*.py")):
            tree = ast.parse(file.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    assert not {alias.name for alias in node.names} & {"pickle", "dill", "joblib", "cloudpickle"}, (
                        file
                    )
                if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
                    assert isinstance(node.value, ast.Constant), file
                    assert node.value.value is False, file
                if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                    assert isinstance(node.value, ast.Constant), file
                    assert node.value.value is False, file
