"""LoRA adapters of a language model: new, trained on texts, merged with DARE, kept as peft keeps them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from genrec.errors import ArtifactError, MissingPackageError
from genrec_alignment.loid.config import AdapterConfig, MergeName
from genrec_alignment.loid.domains import DomainTexts

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

IGNORED = -100
_MERGED = "merged"


def new_adapter(base: PreTrainedModel, config: AdapterConfig, seed: int) -> PeftModel:
    """Lay a fresh adapter, which changes nothing yet, on all linear maps of ``base`` but its output."""
    peft = _peft()
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return peft.get_peft_model(base, settings)


def load_adapter(base: PreTrainedModel, folder: Path, trainable: bool = False) -> PeftModel:
    """Lay the adapter in ``folder`` on ``base``.

    Raises:
        ArtifactError: if it is of another model.
    """
    try:
        return _peft().PeftModel.from_pretrained(base, str(folder), is_trainable=trainable)
    except (RuntimeError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"The adapter {folder} does not fit the language model: {error}",
            "Make it again with loid.base as it is now: genrec loid --force",
        ) from error


def save_adapter(model: PeftModel, folder: Path, name: str = "default") -> None:
    """Write one adapter of ``model`` into ``folder``, as peft loads it: safetensors and JSON."""
    model.save_pretrained(str(folder), selected_adapters=[name], save_embedding_layers=False)
    if name != "default":  # peft gives every other name a folder of its own
        for file in (folder / name).iterdir():
            shutil.move(file, folder / file.name)
        (folder / name).rmdir()
    (folder / "README.md").unlink(missing_ok=True)  # peft's card, an empty form


def merge_adapters(
    base: PreTrainedModel, folders: Sequence[Path], method: MergeName, drop_rate: float, rank: int, seed: int
) -> PeftModel:
    """Return ``base`` with one adapter, ``merged``, made of several by DARE.

    Every change is dropped with probability p, and what stays is divided by 1 - p; then the changes are added
    (``linear``), or those of the prevailing sign are averaged (``ties``). With ``_svd`` a change is an entry of
    BA, as DARE has it, and the sum is cut back to ``rank`` by its singular values; without, an entry of A or of B,
    which is fast but mixes one domain's A with another's B.

    Args:
        base: the language model.
        folders: the adapters.
        method: the name of peft's combination.
        drop_rate: p.
        rank: of the merged adapter; without ``_svd`` all adapters must have it.
        seed: of what is dropped.
    """
    # Not "0": peft takes adapters by their names in the weights' names, which have the layers' numbers.
    names, weights = [f"source_{at}" for at in range(len(folders))], [1.0] * len(folders)
    options: dict[str, Any] = {"svd_rank": rank, "svd_full_matrices": False} if method.endswith("_svd") else {}
    with torch.random.fork_rng():
        model = _peft().PeftModel.from_pretrained(base, str(folders[0]), adapter_name=names[0])
        for name, folder in zip(names[1:], folders[1:], strict=True):
            model.load_adapter(str(folder), adapter_name=name)
        if len(names) == 1:  # peft copies a single adapter, so DARE needs a second one, which counts for nothing
            names, weights = names * 2, [1.0, 0.0]
            method = "dare_linear_svd" if method.endswith("_svd") else "dare_linear"
        torch.manual_seed(seed)
        model.add_weighted_adapter(
            names, weights, _MERGED, combination_type=method, density=1 - drop_rate, **options
        )
    model.set_adapter(_MERGED)
    return model


def save_merged(model: PeftModel, folder: Path) -> None:
    """Write what :func:`merge_adapters` made."""
    save_adapter(model, folder, _MERGED)


def train_adapter(
    model: PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: DomainTexts,
    config: AdapterConfig,
    seed: int,
    scratch: Path,
) -> dict[str, float]:
    """Train a model's adapter to continue texts; return their number and the held-out loss before and after.

    Args:
        model: with a trainable adapter.
        tokenizer: the model's.
        texts: of one domain.
        config: the ``adapter`` settings.
        seed: of order and dropout.
        scratch: a folder that the Trainer may write to.
    """
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback, ProgressCallback

    arguments = TrainingArguments(
        output_dir=str(scratch),
        seed=seed,
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=0.05,
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.accelerator.is_available(),
    )
    train, held_out = (Tokenized(part, tokenizer, config.max_tokens) for part in (texts.train, texts.held_out))
    trainer = Trainer(model, arguments, data_collator=padded, train_dataset=train, eval_dataset=held_out)
    for callback in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    after = trainer.evaluate()["eval_loss"]
    return {"texts": len(train), "held_out": len(held_out), "loss_before": before, "loss_after": after}


class Tokenized(TorchDataset[dict[str, list[int]]]):
    """Texts as ``input_ids``, each closed by the end token where there is one, and cut to ``most`` tokens."""

    def __init__(self, texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, most: int) -> None:
        end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        ids = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        self.rows = [[*row, *end][:most] for row in ids]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict[str, list[int]]:
        """Return one text."""
        return {"input_ids": self.rows[row]}


def padded(rows: Sequence[dict[str, list[int]]]) -> dict[str, Tensor]:
    """Return texts as a right-padded batch: ``input_ids``, ``attention_mask``, and ``labels``, -100 on padding."""
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        mask[at, : len(row["input_ids"])] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, IGNORED)}


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingPackageError("peft", "genrec loid", "pip install 'genrec[align]'") from error
    return peft
