"""A generator: a model with the catalogue whose items it writes; enough to serve alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from genrec.errors import ArtifactError
from genrec.models.histories import Events, HistoryBatch, batch_histories
from genrec.semantic_ids import Catalogue, SIDVocabulary

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from genrec.data.features import Features
    from genrec.models.language.parts import LanguageParts
    from genrec.models.onerec.history.condense import Condenser

_SETTINGS, _CATALOGUE, _FEATURES = "generator.json", "catalogue", "features.json"


@dataclass(frozen=True)
class Generator:
    """A model, its catalogue, and the longest history it was trained on.

    Args:
        model: a Hugging Face causal language model whose vocabulary holds the catalogue's SID tokens, or a model
            that reads events (:class:`genrec.models.history_model.HistoryModel`): OneRec's, or TIGER's T5.
        catalogue: the items it can generate.
        history_length: how many of a user's latest items it reads.
        features: what else it reads of every event; OneRec models only.
        trained: the catalogue it was trained on, whose items have vectors of their own; ``catalogue`` unless told.
        language: the tokenizer, the SID vocabulary and the prompt of a language model; None for a model that knows
            items only.
    """

    model: PreTrainedModel
    catalogue: Catalogue
    history_length: int
    features: Features | None = None
    trained: Catalogue | None = None
    language: LanguageParts | None = None

    def __post_init__(self) -> None:
        if self.trained is None:
            object.__setattr__(self, "trained", self.catalogue)

    @property
    def reads_events(self) -> bool:
        """Whether a history is one row an event, as in the OneRec family, and not one token a code."""
        return hasattr(self.model.config, "feature_names")

    @property
    def vocabulary(self) -> SIDVocabulary:
        """Where the SID tokens lie among the tokens of this model."""
        return self.catalogue.vocabulary if self.language is None else self.language.vocabulary

    @cached_property
    def tokens(self) -> npt.NDArray[np.int64]:
        """The SID tokens of every item under :attr:`vocabulary`, int64 [items, levels]."""
        return self.vocabulary.encode(self.catalogue.codes)

    @property
    def fixed_tokens(self) -> int:
        """How many tokens of a prompt are not the history's: BOS, or the words around the items."""
        return 1 if self.language is None else self.language.prompt.fixed

    def prompts(self, histories: Sequence[npt.NDArray[np.integer] | Events]) -> list[list[int]] | HistoryBatch:
        """Return what the model reads of each history: token ids, or one batch of events; see :meth:`prompt`."""
        if not self.reads_events:
            return [self.prompt(one.items if isinstance(one, Events) else one) for one in histories]
        latest = [self._events(one).latest(self.history_length) for one in histories]
        read = latest if self.condenser is None else [self.condenser(events) for events in latest]
        return batch_histories(read, self.catalogue.codes, self._rows, len(self.model.config.feature_names))

    @cached_property
    def condenser(self) -> Condenser | None:
        """What shortens long histories before the model reads them; None where it reads them whole."""
        from genrec.models.onerec.history.condense import condenser_of

        return condenser_of(self.model.config, self.catalogue) if self.reads_events else None

    def _events(self, history: npt.NDArray[np.integer] | Events) -> Events:
        """Return a history as events; of bare items their catalogue's features are known."""
        if isinstance(history, Events):
            return history
        items = np.asarray(history, dtype=np.int64)
        return Events(items, None if self._item_features is None else self._item_features[items])

    @cached_property
    def _item_features(self) -> npt.NDArray[np.int32] | None:
        """The features of an event of which only the item is known, by ``item_index``."""
        return None if self.features is None else self.features.encode(self.catalogue.item_ids)

    @cached_property
    def _rows(self) -> npt.NDArray[np.int64]:
        """1 + the row of each ``item_index`` in the model's table of items; 0 for what it was not trained on."""
        assert self.trained is not None
        if not self.model.config.items:
            return np.zeros(len(self.catalogue), dtype=np.int64)
        known = self.trained.index_of
        return np.fromiter((1 + known.get(item, -1) for item in self.catalogue.item_ids), dtype=np.int64)

    def prompt(self, history: npt.NDArray[np.integer]) -> list[int]:
        """Return the token ids of a history of item indices, oldest first: BOS, then the latest items' IDs.

        An empty history gives BOS alone: the model then answers with what most histories begin with. A language
        model has its instruction in the place of BOS.
        """
        tokens = self.tokens[np.asarray(history, dtype=np.int64)[-self.history_length :]]
        if self.language is not None:
            return self.language.prompt.ids(tokens)
        return [self.vocabulary.bos_id, *tokens.ravel().tolist()]

    def save_pretrained(self, folder: Path) -> None:
        """Write the model, the catalogue, and a tokenizer that reads and writes IDs as text into ``folder``.

        Raises:
            ValueError: if the catalogue is no longer the one the model was trained on.
        """
        if self.catalogue is not self.trained:
            raise ValueError("save a generator with the catalogue it was trained on")
        folder = Path(folder)
        self.model.save_pretrained(folder)
        if self.language is not None:
            self.language.save(folder, self.catalogue)
        elif not self.reads_events:
            self.catalogue.vocabulary.to_tokenizer().save_pretrained(folder)
        self.catalogue.save(folder / _CATALOGUE)
        if self.features is not None:
            self.features.save(folder / _FEATURES)
        settings = {"history_length": self.history_length, "language": self.language is not None}
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

        folder = local_folder(source)
        catalogue = Catalogue.load(folder / _CATALOGUE)
        settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        language = _load_language(folder, catalogue) if settings.get("language") else None
        model = _load_model(folder, dtype or torch.float32)
        _check_fit(model, catalogue, language.vocabulary if language else catalogue.vocabulary, folder)
        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        model.to(where)  # type: ignore[arg-type]  # transformers wraps torch's method without its types
        features, length = _load_features(folder), int(settings["history_length"])
        return cls(model.eval(), catalogue, length, features, language=language)

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

        local_folder(folder)
        api = HfApi()
        api.create_repo(repo_id, private=private, exist_ok=True)
        return str(api.upload_folder(folder_path=str(folder), repo_id=repo_id, commit_message="Upload a generator"))


def _load_model(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    import genrec.models.onerec.encoder_decoder
    import genrec.models.onerec.lazy_decoder
    import genrec.models.tiger.model  # noqa: F401 (makes the models known to the Auto classes)

    events = hasattr(AutoConfig.from_pretrained(folder, trust_remote_code=False), "feature_names")
    kind = AutoModel if events else AutoModelForCausalLM
    return kind.from_pretrained(folder, dtype=dtype, trust_remote_code=False)


def _load_language(folder: Path, catalogue: Catalogue) -> LanguageParts:
    from genrec.models.language.parts import LanguageParts

    return LanguageParts.load(folder, catalogue)


def _load_features(folder: Path) -> Features | None:
    if not (folder / _FEATURES).is_file():
        return None
    from genrec.data.features import Features

    return Features.load(folder / _FEATURES)


def _check_fit(model: PreTrainedModel, catalogue: Catalogue, vocabulary: SIDVocabulary, folder: Path) -> None:
    remedy = "The two come from different runs: train the generator again."
    if hasattr(model.config, "codebook_sizes"):
        sizes = tuple(model.config.codebook_sizes)
        if sizes != catalogue.codebook_sizes or model.config.items not in (0, len(catalogue)):
            raise ArtifactError(
                f"{folder}: the model was made for codebooks of {sizes} and {model.config.items} items, but its "
                f"catalogue has {catalogue.codebook_sizes} and {len(catalogue)}.",
                remedy,
            )
        return
    known = int(model.config.get_text_config(decoder=True).vocab_size)
    if known < vocabulary.size:
        raise ArtifactError(
            f"{folder}: the model knows {known} tokens, but its catalogue needs {vocabulary.size}.",
            remedy,
        )


def local_folder(source: str | Path) -> Path:
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
