"""Language models of a few thousand weights, with tokenizers of the three kinds that bases come with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from genrec.models import Generator
from genrec.models.build import build_generator
from genrec.models.language import LanguageConfig
from genrec.semantic_ids import Catalogue
from tests.decoding.worlds import random_codes

SIZES = (5, 4, 3)
CONTROL = ["<s>", "</s>", "<unk>", "<|user|>", "<|assistant|>"]
# As many do, it trims what is said.
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] | trim }}"
    "{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
WORDS = (
    "list the items that one person chooses from first to last a chose these which item comes next "
    "film of war and love"
)


def byte_level() -> Tokenizer:
    """As SmolLM2, Qwen and Llama 3: BPE over bytes, spaces kept."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("i", "t")]
    words = [*CONTROL, *letters, *("".join(pair) for pair in merges)]
    made = Tokenizer(models.BPE({word: at for at, word in enumerate(words)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def sentence_piece() -> Tokenizer:
    """As Llama 2 and Gemma: a space is ▁, one is put before the text, and the text is normalized."""
    letters = [chr(code) for code in range(32, 127)]
    words = [*CONTROL, "\n", "▁", *letters]
    made = Tokenizer(models.BPE({word: at for at, word in enumerate(words)}, []))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    made.decoder = decoders.Metaspace(prepend_scheme="first")
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return made


def word_level() -> Tokenizer:
    """Whole words between spaces; everything else is unknown."""
    words = [*CONTROL, *dict.fromkeys(WORDS.split())]
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


BACKENDS = {"byte_level": byte_level, "sentence_piece": sentence_piece, "word_level": word_level}


def tiny_tokenizer(
    kind: str = "byte_level", template: str | None = TEMPLATE, **tokens: str
) -> PreTrainedTokenizerFast:
    """A tokenizer; ``tokens`` are its special ones, such as ``eos_token``."""
    backend = BACKENDS[kind]()
    backend.add_special_tokens(CONTROL)
    named = {"bos_token": "<s>", "eos_token": "</s>", **tokens}
    made = PreTrainedTokenizerFast(tokenizer_object=backend, **named)
    made.chat_template = template
    return made


def tiny_model(words: int, tied: bool = True, seed: int = 0, head_dim: int = 8) -> PreTrainedModel:
    """A random Llama, whose scores are well spread out."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=words,
        hidden_size=16,
        head_dim=head_dim,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        initializer_range=0.3,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=1,
    )
    return LlamaForCausalLM(config).eval()


def tiny_catalogue(items: int = 30, seed: int = 0, sizes: tuple[int, ...] = SIZES) -> Catalogue:
    """Items with titles."""
    codes = random_codes(sizes, items, np.random.default_rng(seed))
    kinds = ("war", "love", "the items")
    names = [f"Film {row} of {kinds[row % 3]}" for row in range(items)]
    return Catalogue([f"i{row}" for row in range(items)], codes, sizes, names)


def write_base(folder: Path, kind: str = "byte_level", tied: bool = True, spare: int = 0, **tokens: str) -> Path:
    """Save a base: a tiny model with ``spare`` more rows than its tokenizer has tokens."""
    tokenizer = tiny_tokenizer(kind, **tokens)
    tiny_model(len(tokenizer) + spare, tied).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_generator(
    folder: Path, history_length: int = 6, catalogue: Catalogue | None = None, **config: str
) -> Generator:
    """An untrained language generator on a base that is written to ``folder``."""
    base = write_base(folder)
    return build_generator(LanguageConfig(base=str(base), **config), catalogue or tiny_catalogue(), history_length)
