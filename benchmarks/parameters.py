"""The table of presets in docs/generators.md: parameters in millions, counted without making a weight.

python benchmarks/parameters.py
"""

from __future__ import annotations

from genrec.models.onerec.config import EncoderDecoderConfig
from genrec.models.onerec.presets import PRESETS, Preset, Shape, count_parameters

COLUMNS = ("preset", "paper", "shape", "blocks", "one table", "together", "paper says", "active in blocks")


def shape_in_words(shape: Shape) -> str:
    encoder_decoder = isinstance(shape, EncoderDecoderConfig)
    layers = f"{shape.encoder_layers} + {shape.decoder_layers}" if encoder_decoder else f"{shape.layers}"
    words = [f"{layers} layers", f"{shape.hidden_size} wide", f"{shape.heads} heads"]
    if shape.moe:
        shared = f" + {shape.moe.shared} shared" if shape.moe.shared else ""
        both = " both sides" if encoder_decoder and shape.encoder_moe else ""
        words.append(f"{shape.moe.experts} experts / {shape.moe.active}{shared}{both}")
    return ", ".join(words)


def millions(count: float) -> str:
    return f"{count / 1e6:,.1f}" if count >= 5e4 else f"{count / 1e6:.3f}"


def row(name: str, known: Preset) -> list[str]:
    count = count_parameters(known.shape)
    named = f"{known.published * 1000:,.0f}" if known.published else ""
    active = millions(count.active) + (f" (paper: {known.active * 1000:,.0f})" if known.active else "")
    counts = [millions(number) for number in (count.blocks, count.table, count.published_way)]
    return [f"`{name}`", known.source.removeprefix("arXiv:"), shape_in_words(known.shape), *counts, named, active]


def main() -> None:
    rows = [list(COLUMNS), ["---"] * len(COLUMNS), *(row(name, known) for name, known in PRESETS.items())]
    for cells in rows:
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
