"""Pretrained language models as generators: their own words, and after them the catalogue's SID tokens.

Everything but the settings is imported on first use, since it needs torch and transformers.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from genrec.models.language.config import LanguageConfig

if TYPE_CHECKING:
    from genrec.models.language.base import load_base
    from genrec.models.language.chat import Chat
    from genrec.models.language.parts import LanguageParts
    from genrec.models.language.prompts import ItemPrompt, continuation_prompt, question_prompt, title_prompt
    from genrec.models.language.tokens import add_sid_tokens

__all__ = [
    "Chat",
    "ItemPrompt",
    "LanguageConfig",
    "LanguageParts",
    "add_sid_tokens",
    "continuation_prompt",
    "load_base",
    "question_prompt",
    "title_prompt",
]

_LAZY = {
    "Chat": "chat",
    "ItemPrompt": "prompts",
    "LanguageParts": "parts",
    "add_sid_tokens": "tokens",
    "continuation_prompt": "prompts",
    "load_base": "base",
    "question_prompt": "prompts",
    "title_prompt": "prompts",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(f"genrec.models.language.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
