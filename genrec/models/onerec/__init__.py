"""OneRec's generators as Hugging Face models; ``config`` is light, everything else needs torch and transformers.

Importing a model makes it known to ``AutoConfig`` and ``AutoModel``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genrec.models.onerec.base import OneRecBase
    from genrec.models.onerec.encoder_decoder import OneRecModel
    from genrec.models.onerec.lazy_decoder import OneRecLazyModel

__all__ = ["OneRecBase", "OneRecLazyModel", "OneRecModel"]

_LAZY = {
    "OneRecBase": "genrec.models.onerec.base",
    "OneRecModel": "genrec.models.onerec.encoder_decoder",
    "OneRecLazyModel": "genrec.models.onerec.lazy_decoder",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
