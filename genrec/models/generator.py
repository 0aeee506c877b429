"""A generator: a causal language model with the catalogue whose items it writes; enough to serve alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genrec.errors import ArtifactError
from genrec.semantic_ids import Catalogue

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_SETTINGS, _CATALOGUE = "generator.json", "catalogue"


@dataclass(frozen=True)
class Generator:
    """A decoder-only model, its catalogue, and the longest history it was trained on.

    Args:
        model: any Hugging Face causal language model whose vocabulary holds the catalogue's SID tokens.
        catalogue: the items it can generate.
        history_length: how many of a user's latest items the prompt holds.
    """

    model: PreTrainedModel
    catalogue: Catalogue
    history_length: int

    def prompt(self, history: npt.NDArray[np.integer]) -> list[int]:
        """Return the token ids of a history of item indices, oldest first: BOS, then the latest items' IDs.

        An empty history gives BOS alone: the model then answers with what most histories begin with.
        """
        latest = np.asarray(history, dtype=np.int64)[-self.history_length :]
        return [self.catalogue.vocabulary.bos_id, *self.catalogue.tokens[latest].ravel().tolist()]

    def save_pretrained(self, folder: Path) -> None:
        """Write the model, a tokenizer that reads and writes IDs as text, and the catalogue into ``folder``."""
        folder = Path(folder)
        self.model.save_pretrained(folder)
        self.catalogue.vocabulary.to_tokenizer().save_pretrained(folder)
        self.catalogue.save(folder / _CATALOGUE)
        settings = {"history_length": self.history_length}
        (folder / _SETTINGS).write_text(json.dumps(settings) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(
        cls, source: str | Path, device: str | torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Generator:
        """Load a generator saved by :meth:`save_pretrained`.

        Args:
            source: its folder, or the id of a repository on the Hugging Face hub.
            device: where to put the model; CUDA where there is one, unless told.
            dtype: the precision of the weights; float32 unless told.

        Raises:
            ArtifactError: if the folder is no generator, or its parts do not fit each other.
        """
        import torch
        from transformers import AutoModelForCausalLM

        folder = _local_folder(source)
        catalogue = Catalogue.load(folder / _CATALOGUE)
        settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or torch.float32, trust_remote_code=False)
        if model.config.vocab_size < catalogue.vocabulary.size:
            raise ArtifactError(
                f"{folder}: the model knows {model.config.vocab_size} tokens, but its catalogue needs "
                f"{catalogue.vocabulary.size}.",
                "The two come from different runs: train the generator again.",
            )
        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model.to(where)  # type: ignore[arg-type]  # transformers wraps torch's method without its types
        return cls(model.eval(), catalogue, int(settings["history_length"]))

    @staticmethod
    def push_to_hub(folder: Path, repo_id: str, private: bool = True) -> str:
        """Upload a saved generator, with its catalogue and model card, to the Hugging Face hub.

        Args:
            folder: a folder written by :meth:`save_pretrained`, such as ``runs/demo/generator``.
            repo_id: ``owner/name``; made if it does not exist.
            private: whether a repository made by this call is private.

        Returns:
            The address of the commit.
        """
        from huggingface_hub import HfApi

        _local_folder(folder)
        api = HfApi()
        api.create_repo(repo_id, private=private, exist_ok=True)
        return str(api.upload_folder(folder_path=str(folder), repo_id=repo_id, commit_message="Upload a generator"))


def _local_folder(source: str | Path) -> Path:
    """Return the folder of a generator, fetching it where ``source`` is a hub id."""
    folder = Path(source)
    if not folder.exists() and isinstance(source, str) and source.count("/") == 1 and not source.startswith("."):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            folder = Path(snapshot_download(source))
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
            raise ArtifactError(
                f"{source} is neither a folder nor a generator that the hub answered with: {error}",
                "Give a folder such as runs/demo/generator, or unset HF_HUB_OFFLINE for a hub id.",
            ) from error
    if not (folder / _SETTINGS).is_file():
        raise ArtifactError(f"{folder} is not a saved generator.", "Make one first: genrec train")
    return folder
