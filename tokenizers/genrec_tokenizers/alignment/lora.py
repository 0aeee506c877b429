"""LoRA on a text encoder: small adapters, trained on pairs of items used together; its own weights stay.

QARM fine-tunes its multimodal encoder on such pairs (arXiv 2411.11739, from notes), EM3 does so with LoRA
(arXiv 2404.06078, from its abstract); which matrices and what rank they use is not known here, so all linear maps
of the encoder get adapters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from genrec.console import remark
from genrec.data.dataset import Dataset
from genrec.errors import ArtifactError, DataError, MissingPackageError
from genrec_tokenizers.alignment.pairs import ItemPairs, item_pairs
from genrec_tokenizers.alignment.training import AlignmentSettings, align

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ADAPTER_FILE = "text_adapter.safetensors"
# Few and small steps: the encoder knows the language already, and each step runs it over two batches of texts.
SETTINGS: dict[str, Any] = {"epochs": 3, "batch_size": 64, "learning_rate": 2e-4, "temperature": 0.07}
PAIRS_AN_EPOCH = 20_000


@dataclass(frozen=True)
class Adapter:
    """Trained adapters of a text encoder.

    Args:
        rank: of every adapter.
        weights: their matrices, float32, by peft's names.
    """

    rank: int
    weights: dict[str, Tensor]

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        return hashlib.sha256(save(self.weights)).hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``text_adapter.safetensors``, whose metadata holds the rank."""
        metadata = {"rank": str(self.rank)}
        (Path(folder) / ADAPTER_FILE).write_bytes(save(self.weights, metadata))

    @classmethod
    def load(cls, folder: Path, rank: int) -> Adapter:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: if it is missing, broken, or of another rank.
        """
        file = Path(folder) / ADAPTER_FILE
        try:
            weights = load_file(file)
        except (OSError, SafetensorError) as error:
            raise ArtifactError(f"{file} is no readable text adapter: {error}") from error
        ranks = {len(weight) for name, weight in weights.items() if "lora_A" in name}
        if ranks != {rank}:
            raise ArtifactError(f"{file} holds adapters of rank {sorted(ranks)}, not {rank}.")
        return cls(rank, weights)

    def lay_on(self, model: SentenceTransformer) -> None:
        """Put the adapters on the encoder that they were trained on.

        Raises:
            ArtifactError: if it is another encoder.
        """
        inject(model, self.rank)
        try:
            _peft().set_peft_model_state_dict(_encoder(model), self.weights)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ArtifactError(f"The text adapter does not fit the encoder: {error}") from error


def train_adapter(
    model: SentenceTransformer, texts: Sequence[str], dataset: Dataset, rank: int, seed: int
) -> Adapter:
    """Train adapters of ``model``, which gets them, by InfoNCE on item pairs of the training part.

    Pairs of items with a text that differs count, at most 20,000 of them. A remark says how the hit rate of
    held-out pairs changed.

    Args:
        model: the encoder.
        texts: one an item; empty where it has none.
        dataset: only its training part is read.
        rank: of every adapter.
        seed: of the adapters, the pairs and their order.

    Raises:
        MissingPackageError: if peft is not installed.
        DataError: if there are hardly any pairs.
    """
    pairs = _usable(item_pairs(dataset, seed), texts)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject(model, rank)
    settings = AlignmentSettings(**SETTINGS, seed=seed)
    outcome = align(_Texts(model, texts), len(texts), pairs, settings)
    remark(
        f"Text adapters of rank {rank}: in {outcome.epochs} epochs on {len(pairs.train):,} item pairs the hit "
        f"rate@10 of {len(pairs.held_out):,} held-out pairs went from {outcome.before:.3f} to {outcome.after:.3f}."
    )
    weights = _peft().get_peft_model_state_dict(_encoder(model))
    return Adapter(rank, {name: weight.detach().cpu().float().contiguous() for name, weight in weights.items()})


def inject(model: SentenceTransformer, rank: int) -> None:
    """Lay fresh adapters on all linear maps of ``model``'s encoder, which change nothing yet, and freeze the rest.

    Raises:
        MissingPackageError: if peft is not installed.
    """
    peft = _peft()
    for weight in model.parameters():
        weight.requires_grad_(False)
    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", bias="none")
    peft.inject_adapter_in_model(config, _encoder(model))


class _Texts(nn.Module):
    """A text encoder over item indices, as alignment wants it."""

    def __init__(self, model: SentenceTransformer, texts: Sequence[str]) -> None:
        super().__init__()
        self.model, self.texts = model, texts

    def forward(self, items: Tensor) -> Tensor:
        inputs = self.model.preprocess([self.texts[item] for item in items.tolist()])
        inputs = {
            name: part.to(self.model.device) if torch.is_tensor(part) else part for name, part in inputs.items()
        }
        return self.model(inputs)["sentence_embedding"]


def _usable(pairs: ItemPairs, texts: Sequence[str]) -> ItemPairs:
    """Keep pairs of items whose texts are there and differ, the first 20,000 of the training pairs at random."""
    train, held_out = (
        part[[bool(texts[a]) and bool(texts[b]) and texts[a] != texts[b] for a, b in part]]
        for part in (pairs.train, pairs.held_out)
    )
    if not len(held_out) or len(train) < 2:
        raise DataError(
            "Hardly any items that are used together have texts, so text adapters cannot be trained.",
            "Set tokenize.encoders.text.lora_rank=0.",
        )
    if len(train) > PAIRS_AN_EPOCH:
        generator = torch.Generator().manual_seed(0)
        train = train[torch.randperm(len(train), generator=generator)[:PAIRS_AN_EPOCH].numpy()]
    return ItemPairs(train, held_out, pairs.ids)


def _encoder(model: SentenceTransformer) -> Any:
    return model[0].auto_model


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingPackageError(
            "peft", "tokenize.encoders.text.lora_rank", "pip install peft (or set lora_rank=0)"
        ) from error
    return peft
