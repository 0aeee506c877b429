"""Named shapes, from one for tests to those of the papers. Light: torch is imported only to count parameters.

A shape says nothing of the data: codebooks, item table, features and pathways are the recipe's. What a paper leaves
open, and how it is filled here, stands in ``Preset.guessed``; docs/generators.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from genrec.errors import ConfigError, suggest
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig, MoEConfig

if TYPE_CHECKING:
    from genrec.models.onerec.base import OneRecBase

Shape: TypeAlias = EncoderDecoderConfig | LazyDecoderConfig


@dataclass(frozen=True)
class Preset:
    """A named shape.

    Args:
        shape: the settings of the model.
        session_length: items generated together (m).
        published: parameters that the paper names, in billions; None where the size is ours.
        active: parameters a token goes through that the paper names, in billions.
        source: the paper, or "ours".
        guessed: what the paper does not say and is chosen here.
    """

    shape: Shape
    session_length: int = 1
    published: float | None = None
    active: float | None = None
    source: str = "ours"
    guessed: str = ""


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of a shape with given codebooks and no item table, features or pathways.

    Args:
        blocks: everything but the tables: attention, feed-forward blocks, norms, projections of the history.
        table: the vectors of the codes, read by history and decoder.
        head: the matrix that scores the codes; 0 where it is the table.
        idle: of the blocks, those of experts that a token does not go through.
    """

    blocks: int
    table: int
    head: int
    idle: int

    @property
    def total(self) -> int:
        """All parameters."""
        return self.blocks + self.table + self.head

    @property
    def published_way(self) -> int:
        """Blocks and one table of codes: the count that agrees best with the papers' names (none says how)."""
        return self.blocks + self.table

    @property
    def active(self) -> int:
        """Of the blocks, what a token goes through: the other experts are left out."""
        return self.blocks - self.idle


def preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        ConfigError: if there is none; it names the closest.
    """
    if name not in PRESETS:
        raise ConfigError([f"unknown preset {name!r}.{suggest(name, list(PRESETS))}"])
    return PRESETS[name]


def count_parameters(shape: Shape, codebook_sizes: tuple[int, ...] = (8192, 8192, 8192)) -> ParameterCount:
    """Return the parameters of a shape, counted on the meta device: no weight is made.

    Args:
        shape: the settings of the model.
        codebook_sizes: the codes of each level; three times 8192 in all three papers.
    """
    from genrec.models.onerec.moe import SparseMoE

    model = build_on_meta(shape, codebook_sizes)
    sizes = {name: weight.numel() for name, weight in model.named_parameters()}
    table, head = sizes.pop("codes.weight"), sizes.pop("head.weight", 0)
    sparse = [module for module in model.modules() if isinstance(module, SparseMoE)]
    idle = sum((one.experts - one.active) * 3 * one.down[0].numel() for one in sparse)
    return ParameterCount(sum(sizes.values()), table, head, idle)


def build_on_meta(shape: Shape, codebook_sizes: tuple[int, ...]) -> OneRecBase:
    """Return a model of the shape without weights, items or features: for counting."""
    import torch

    from genrec.models.onerec.configuration import OneRecConfig, OneRecLazyConfig
    from genrec.models.onerec.encoder_decoder import OneRecModel
    from genrec.models.onerec.lazy_decoder import OneRecLazyModel

    values: dict[str, Any] = {"codebook_sizes": list(codebook_sizes), "shape": shape.model_dump(mode="json")}
    with torch.device("meta"):
        if isinstance(shape, EncoderDecoderConfig):
            return OneRecModel(OneRecConfig(**values))
        return OneRecLazyModel(OneRecLazyConfig(**values))


def _encoder_decoder(
    width: int, inner: int, heads: int, layers: int, moe: MoEConfig | None = None, encoder_moe: bool = False
) -> EncoderDecoderConfig:
    """Half of the layers each way, as the papers count them."""
    return EncoderDecoderConfig(
        hidden_size=width,
        intermediate_size=inner,
        heads=heads,
        encoder_layers=layers // 2,
        decoder_layers=layers // 2,
        moe=moe,
        encoder_moe=encoder_moe,
    )


def _lazy(width: int, layers: int, heads: int, moe: MoEConfig | None = None) -> LazyDecoderConfig:
    return LazyDecoderConfig(
        hidden_size=width, intermediate_size=4 * width, heads=heads, layers=layers, key_value_heads=1, moe=moe
    )


def _report(billions: float, shape: EncoderDecoderConfig, guessed: str = "") -> Preset:
    return Preset(shape, 1, billions, None, "arXiv:2506.13695", guessed)


def _v2(billions: float, width: int, layers: int, heads: int) -> Preset:
    # 4 · width is the only feed-forward width with which all seven named sizes come out, and the mixture's four
    # experts of 1408 at width 1408 are just that; some numbers of heads are prime, which leaves 1 or all groups.
    guessed = "feed-forward width 4 · hidden_size; key_value_heads 1; all heads in self-attention"
    return Preset(_lazy(width, layers, heads), 1, billions, None, "arXiv:2508.20900", guessed)


# The paper gives the size, 24 experts with 2 active, and "about 13 %" of the parameters active: experts of width
# 4 · hidden_size come to 14 %.
_V1_GUESS = "the whole shape but the experts' number"


PRESETS: dict[str, Preset] = {
    "onerec-tiny": Preset(_encoder_decoder(16, 32, 2, 2, MoEConfig(experts=4)), session_length=2),
    "lazy-tiny": Preset(_lazy(16, 2, 2)),
    "onerec-small": Preset(_encoder_decoder(128, 512, 4, 4)),
    "lazy-small": Preset(_lazy(128, 4, 4)),
    "onerec-0.1b": Preset(
        _encoder_decoder(320, 896, 5, 6, MoEConfig(intermediate_size=1280)),
        5,
        0.1,
        None,
        "arXiv:2502.18965",
        _V1_GUESS,
    ),
    "onerec-1b": Preset(
        _encoder_decoder(896, 2432, 14, 8, MoEConfig(intermediate_size=3584)),
        5,
        1.0,
        None,
        "arXiv:2502.18965",
        _V1_GUESS,
    ),
    "report-0.015b": _report(0.015, _encoder_decoder(128, 256, 4, 4)),
    "report-0.121b": _report(0.121, _encoder_decoder(1024, 2048, 8, 8)),
    "report-0.935b": _report(
        0.935,
        _encoder_decoder(1024, 2048, 8, 8, MoEConfig(intermediate_size=2816, bias_update=1e-3)),
        "2/3 · 4 · hidden_size rounded up to 128; the balancing step",
    ),
    "report-2.633b": _report(
        2.633,
        _encoder_decoder(1024, 2048, 8, 24, MoEConfig(active=4, intermediate_size=1408, bias_update=1e-3), True),
        "experts of half the stated width (which gives 5.2 B); heads; the balancing step",
    ),
    "v2-0.1b": _v2(0.1, 640, 12, 10),
    "v2-0.2b": _v2(0.2, 896, 12, 14),
    "v2-0.5b": _v2(0.5, 1408, 14, 11),
    "v2-1b": _v2(1.0, 1792, 18, 14),
    "v2-2b": _v2(2.0, 2304, 22, 18),
    "v2-4b": _v2(4.0, 2944, 26, 23),
    "v2-8b": _v2(8.0, 3584, 34, 28),
    "v2-moe-4b": Preset(
        _lazy(
            1408,
            14,
            11,
            MoEConfig(experts=53, active=3, shared=1, intermediate_size=1408, dense_layers=2, bias_update=1e-3),
        ),
        1,
        4.0,
        0.5,
        "arXiv:2508.20900",
        "width, layers and heads those of the 0.5 B model; key_value_heads 1; the balancing step",
    ),
}
