"""The pretrained language model that a generator starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from genrec.errors import ArtifactError
from genrec.models.language.smollm2 import SMOLLM2, smollm2_folder

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from genrec.models.language.config import LanguageConfig


def load_base(
    config: LanguageConfig, dtype: torch.dtype, seed: int = 0
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a causal language model, ready to be used, and its tokenizer.

    Args:
        config: names the base; with ``random_start`` its weights are drawn anew.
        dtype: of the weights.
        seed: of the draw.

    Raises:
        ArtifactError: if the base is not there, or is no causal language model with a tokenizer.
        MissingPackageError: if the base is ``smollm2`` and its package is not installed.
    """
    from transformers import AutoTokenizer

    source = smollm2_folder() if config.base == SMOLLM2 else config.base
    if isinstance(source, str) and Path(source).expanduser().is_dir():
        source = Path(source).expanduser()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model = _random_model(source, dtype, seed) if config.random_start else _pretrained(source, dtype)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"{config.base} cannot be read as a causal language model with a tokenizer: {error}",
            "Name 'smollm2', a folder in Hugging Face's format, or a hub id (with HF_HUB_OFFLINE unset).",
        ) from error
    return model.eval(), tokenizer


def _pretrained(source: str | Path, dtype: torch.dtype) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(source, dtype=dtype, trust_remote_code=False)


def _random_model(source: str | Path, dtype: torch.dtype, seed: int) -> PreTrainedModel:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
