"""Every recipe makes IDs, and a process of its own reads its tokenizer back and finds the same codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from genrec.config import load_settings
from genrec.semantic_ids import Catalogue
from genrec.semantic_ids.catalogue import unique_rows
from genrec_tokenizers.config import TokenizeConfig
from genrec_tokenizers.fusion import KINDS as FUSIONS
from genrec_tokenizers.make import make_semantic_ids
from genrec_tokenizers.quantizers import KINDS as QUANTIZERS
from genrec_tokenizers.quantizers import load_quantizer
from tests.tokenizers.conftest import WriteDataset, item_titles, random_log

RECIPES = sorted((Path(__file__).parents[2] / "tokenizers" / "recipes").glob("*.yaml"))


def tokenize_section(recipe: Path, *overrides: str) -> TokenizeConfig:
    return load_settings({"tokenize": TokenizeConfig}, recipe, overrides).section("tokenize", TokenizeConfig)


def smaller(recipe: Path, encoder: Path) -> TokenizeConfig:
    """The recipe with a tiny text encoder, for forty items."""
    full = tokenize_section(recipe)
    overrides = [f"tokenize.encoders.text.model={encoder}", "tokenize.quantizer.codebook_size=16"]
    overrides += ["tokenize.encoders.image.weight=0"]
    if full.neighbors:
        overrides.append("tokenize.neighbors=3")
    for section, settings in (("quantizer", full.quantizer), ("fusion", full.fusion)):
        if hasattr(settings, "epochs"):
            overrides.append(f"tokenize.{section}.epochs=3")
    return tokenize_section(recipe, *overrides)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_makes_ids(
    recipe: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    write_dataset: WriteDataset,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GENREC_CACHE", str(tmp_path / "cache"))
    write_dataset(random_log(rng), item_titles())
    make_semantic_ids(smaller(recipe, tiny_encoder), tmp_path / "run", seed=0)
    folder = tmp_path / "run" / "semantic_ids"
    catalogue = Catalogue.load(folder)
    assert len(catalogue) == 40
    assert unique_rows(catalogue.codes)
    embeddings = load_file(folder / "embeddings.safetensors")["embeddings"]
    assert load_quantizer(folder).encode(embeddings).shape == (40, load_quantizer(folder).levels)


def test_recipes_show_every_kind_and_strategy() -> None:
    sections = [tokenize_section(recipe) for recipe in RECIPES]
    assert {section.quantizer.kind for section in sections} == set(QUANTIZERS)
    assert {section.fusion.kind for section in sections} == set(FUSIONS)
    assert {section.collisions.strategy for section in sections} == {"append", "sinkhorn", "nearest_free"}


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_another_process_finds_the_same_codes(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Of every kind: fitted here, encoded there."""
    from pydantic import TypeAdapter

    from genrec_tokenizers.config import QuantizerConfig
    from genrec_tokenizers.quantizers import make_quantizer

    raw = {"kind": kind, "levels": 2, "codebook_size": 8}
    raw |= {"epochs": 3} if kind in ("rqvae", "fsq", "residual_kmeans_plus") else {"iterations": 3}
    vectors = rng.normal(size=(60, 6)).astype(np.float32)
    quantizer = make_quantizer(TypeAdapter(QuantizerConfig).validate_python(raw), seed=0).fit(vectors)
    quantizer.save_pretrained(tmp_path)
    np.save(tmp_path / "vectors.npy", vectors)
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from genrec_tokenizers.quantizers import load_quantizer\n"
        "folder = Path(sys.argv[1])\n"
        "codes = load_quantizer(folder).encode(np.load(folder / 'vectors.npy'))\n"
        "np.save(folder / 'codes.npy', codes)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=120)
    assert np.array_equal(np.load(tmp_path / "codes.npy"), quantizer.encode(vectors))
