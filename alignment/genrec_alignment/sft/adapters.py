"""LoRA and trained token rows on a language model: laid on, chosen, kept, and merged.

Everything but the rows of the SID tokens is frozen or learns through LoRA (peft). The rows belong to peft's
``trainable_token_indices``. LoRA on embeddings is refused by the settings: merged into tied ones it is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from genrec.semantic_ids import SIDVocabulary
from genrec_alignment.sft.config import LoraSettings
from genrec_alignment.sft.token_rows import learn_rows_alone

Trained = Literal["new_tokens", "lora", "full"]
_ADAPTERS = ("lora_", "trainable_tokens_")


def adapt(model: PreTrainedModel, settings: LoraSettings, vocabulary: SIDVocabulary) -> PeftModel:
    """Lay LoRA and trainable SID rows on a model, without changing what it computes.

    Args:
        model: a causal language model that knows the SID tokens; changed in place.
        settings: rank, scale and targets.
        vocabulary: where its SID tokens lie.
    """
    rows = list(range(vocabulary.first, vocabulary.size))
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # peft divides it; it need not be whole
        lora_dropout=settings.dropout,
        target_modules=settings.targets if settings.targets == "all-linear" else list(settings.targets),
        trainable_token_indices=dict.fromkeys(_tables(model), rows),
        task_type="CAUSAL_LM",
    )
    adapted = cast(PeftModel, get_peft_model(model, config))
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            layer.cast_input_dtype_enabled = False  # autocast does it, without a copy in float32 first
    learn_rows_alone(adapted, vocabulary)
    return adapted


def _tables(model: PreTrainedModel) -> list[str]:
    """Return the names of the embeddings: that which reads tokens, and that which writes them if it is another."""
    read, written = model.get_input_embeddings(), model.get_output_embeddings()
    tied = written is None or written.weight is read.weight
    wanted = [read] if tied else [read, written]
    return [
        name.rpartition(".")[2] for table in wanted for name, module in model.named_modules() if module is table
    ]


def enter(
    model: PreTrainedModel | PeftModel, train: Trained, settings: LoraSettings, vocabulary: SIDVocabulary
) -> PreTrainedModel | PeftModel:
    """Return the model as a stage trains it: adapted or merged, and with the right weights trainable."""
    if train == "full":
        whole = merged(model)
        whole.requires_grad_(True)
        return whole
    adapted = model if isinstance(model, PeftModel) else adapt(model, settings, vocabulary)
    for name, weight in adapted.named_parameters():
        weight.requires_grad_("trainable_tokens_delta" in name or (train == "lora" and "lora_" in name))
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            layer._disable_adapters = train != "lora"  # what does not learn yet need not be computed
    return adapted


def hold_frozen_in(model: nn.Module, dtype: torch.dtype) -> None:
    """Hold frozen weights in a precision, once, where autocast would convert them at every step."""
    for name, weight in model.named_parameters():
        if not weight.requires_grad and not any(part in name for part in _ADAPTERS):
            weight.data = weight.data.to(dtype)


def merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """Return the model with its adapter merged into its weights."""
    if not isinstance(model, PeftModel):
        return model
    for layer in model.modules():
        if isinstance(layer, LoraLayer):
            layer._disable_adapters = False
    return cast(PreTrainedModel, model.merge_and_unload())


def save_trained(model: nn.Module, file: Path) -> None:
    """Write the weights that learn, by name, as safetensors."""
    weights = {
        name: weight.detach().contiguous() for name, weight in model.named_parameters() if weight.requires_grad
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}")
    save_file(weights, draft)
    draft.replace(file)


def load_trained(model: nn.Module, file: Path) -> None:
    """Read what :meth:`save_trained` wrote into the weights of the same names.

    Raises:
        ValueError: if the names are not those of the weights that learn.
    """
    saved = load_file(file)
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if weights.keys() != saved.keys():
        raise ValueError(f"{file} holds other weights than those that learn")
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(saved[name])
