"""The stage behind ``genrec tokenize``: encode items, fuse, quantize, resolve collisions, measure, write."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from genrec.console import remark
from genrec.data.dataset import SPLITS, Dataset
from genrec.errors import DataError
from genrec.processes import is_main_process, wait_for_all
from genrec.runs import Manifest, is_current, new_artifact, open_artifact
from genrec.semantic_ids import Catalogue, SIDVocabulary
from genrec_tokenizers.collisions import resolve
from genrec_tokenizers.config import TokenizeConfig
from genrec_tokenizers.encoders import BehaviorEncoder, Encoder, ItemVectors, make_encoders
from genrec_tokenizers.encoders.text import item_texts
from genrec_tokenizers.engine import Engine, LocalEngine, encode_rows
from genrec_tokenizers.fusion import make_fusion
from genrec_tokenizers.neighbors import NeighborCodes
from genrec_tokenizers.quality import code_names, quality
from genrec_tokenizers.quantizers import Quantizer, make_quantizer

KIND = "semantic_ids"
EMBEDDINGS_FILE, QUALITY_FILE, NAMES_FILE = "embeddings.safetensors", "quality.json", "code_names.json"
NEIGHBORS_FILE = "neighbor_codes.safetensors"
_SHARED = ("text", "image")  # encoders whose work is divided among processes
_SHOWN = 5
_ITEMS_A_CODE = 10  # with fewer, two levels tell nearly all items apart (docs/semantic-ids.md)


def make_semantic_ids(
    config: TokenizeConfig, run: Path, seed: int, *, force: bool = False, engine: Engine | None = None
) -> Manifest:
    """Give every item of ``run/dataset`` a unique semantic ID, in ``run/semantic_ids``.

    The folder holds the catalogue (:class:`genrec.semantic_ids.Catalogue`), the quantizer
    (:class:`genrec_tokenizers.quantizers.Quantizer`), the fusion (:class:`genrec_tokenizers.fusion.Fusion`), the
    fused vectors (``embeddings.safetensors``, float32 [items, dim]), the telling words of each code of the first
    level (``code_names.json``) and ``quality.json`` (:func:`genrec_tokenizers.quality.quality`), whose figures are
    also the manifest's details. Where they are asked for, it also holds the nearest items of each
    (``neighbor_codes.safetensors``, int32 [items, count], and what
    :class:`genrec_tokenizers.neighbors.NeighborCodes` saves).

    Args:
        config: the ``tokenize`` section.
        run: the run folder.
        seed: of the behaviour vectors' SVD and of k-means.
        force: make it again even if it is current.
        engine: who encodes and assigns; this process if not told. The IDs do not depend on it.

    Under ``accelerate launch`` the processes divide the texts and images among them; the main one does the rest.

    Raises:
        ArtifactError: if there is no dataset.
        DataError: if the items cannot be told apart, or cannot be encoded.
    """
    folder = Path(run) / KIND
    encoders = make_encoders(config.encoders, seed)
    inputs = {"dataset": open_artifact(Path(run) / "dataset", "dataset").digest}
    inputs |= {f"{encoder.name}_encoder": mark for encoder, _ in encoders if (mark := encoder.fingerprint())}
    settings = {**config.model_dump(mode="json"), "seed": seed}
    if not force and is_current(folder, KIND, settings, inputs):
        remark(f"{folder} is up to date.")
        return open_artifact(folder, KIND)
    dataset = Dataset.load(Path(run) / "dataset")
    for encoder, _ in encoders:
        encoder.engine = engine
    if is_main_process():
        with new_artifact(folder, KIND, settings, inputs, seed) as draft:
            draft.details = _write(dataset, encoders, config, seed, draft.path, engine or LocalEngine())
    else:
        _encode_share(dataset, encoders)
    wait_for_all()
    return open_artifact(folder, KIND)


def train_popularity(dataset: Dataset) -> npt.NDArray[np.int64]:
    """Return how often each item occurs in the training part, int64 [items]."""
    sequences = dataset.sequences
    seen = sequences.items[sequences.splits == SPLITS.index("train")]
    return np.bincount(seen, minlength=len(dataset.items)).astype(np.int64)


def _encode_share(dataset: Dataset, encoders: list[tuple[Encoder, float]]) -> None:
    """Encode one process's share of the texts and images into the cache, from which the main process reads."""
    for encoder, _ in encoders:
        if encoder.name in _SHARED:
            encoder.encode(dataset)


def _write(
    dataset: Dataset,
    encoders: list[tuple[Encoder, float]],
    config: TokenizeConfig,
    seed: int,
    folder: Path,
    engine: Engine,
) -> dict[str, object]:
    """Make the files of the artefact in ``folder`` and return its figures."""
    _refuse_repeated(dataset.item_ids)
    _point_out(dataset, encoders, config)
    sources = {encoder.name: encoder.encode(dataset) for encoder, _ in encoders}
    for name, source in sources.items():
        _refuse_broken(name, source, dataset.item_ids)
    behavior = sources.get(BehaviorEncoder.name) or _behavior(dataset, seed)
    fusion = make_fusion(config.fusion, [weight for _, weight in encoders], seed)
    embeddings = fusion.fit_transform(list(sources.values()), dataset)
    quantizer = make_quantizer(config.quantizer, seed)
    codes = _quantize(quantizer, embeddings, behavior, config.fit_items, seed, engine)
    popularity = train_popularity(dataset)
    unique = resolve(config.collisions, quantizer, embeddings, codes, popularity, dataset.titles)
    figures = quality(quantizer, embeddings, codes, unique, dataset.items, behavior, seed)
    figures["unknown"] = {name: int((~source.known).sum()) for name, source in sources.items()}
    sizes = quantizer.codebook_sizes + ((figures["appended_codes"],) if figures["appended_level"] else ())
    Catalogue(dataset.item_ids, unique, sizes, dataset.titles).save(folder)
    for encoder, _ in encoders:
        encoder.save_pretrained(folder)
    fusion.save_pretrained(folder)
    quantizer.save_pretrained(folder)
    save_file({"embeddings": embeddings}, folder / EMBEDDINGS_FILE)
    if config.neighbors:
        neighbors = NeighborCodes(config.neighbors).fit(embeddings)
        neighbors.save_pretrained(folder)
        save_file({"codes": neighbors.encode(embeddings)}, folder / NEIGHBORS_FILE)
    _write_json(folder / QUALITY_FILE, figures)
    _write_json(folder / NAMES_FILE, _names(unique, item_texts(dataset.items), seed))
    return figures


def _quantize(
    quantizer: Quantizer,
    embeddings: npt.NDArray[np.float32],
    behavior: ItemVectors | None,
    fit_items: int | None,
    seed: int,
    engine: Engine,
) -> npt.NDArray[np.int32]:
    """Fit the quantizer and return the codes of all items, int32 [items, levels]."""
    collaborative = None if behavior is None else behavior.vectors
    if fit_items is None or fit_items >= len(embeddings):
        return quantizer.fit_encode(embeddings, collaborative)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(embeddings))[:fit_items])
    quantizer.fit(embeddings[drawn], None if collaborative is None else collaborative[drawn])
    return encode_rows(engine, quantizer, embeddings)


def _behavior(dataset: Dataset, seed: int) -> ItemVectors | None:
    """Return what behaviour says of the items, for figures and for quantizers that want it; None if nothing."""
    try:
        return BehaviorEncoder(seed=seed).encode(dataset)
    except DataError:
        return None


def _names(codes: npt.NDArray[np.int32], texts: list[str], seed: int) -> dict[str, list[str]]:
    """Return the telling words of each code of the first level, by its token."""
    token = SIDVocabulary((int(codes[:, 0].max(initial=0)) + 1,)).token
    return {token(0, code): words for (code,), words in code_names(codes[:, :1], texts, seed=seed).items()}


def _write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _point_out(dataset: Dataset, encoders: list[tuple[Encoder, float]], config: TokenizeConfig) -> None:
    """Say what a person may have overlooked."""
    images = "image" in dataset.items.columns and dataset.items["image"].count()
    if images and "image" not in {encoder.name for encoder, _ in encoders}:
        remark(f"{images:,} items have an image, and none is read: tokenize.encoders.image.weight=1 uses them.")
    items, codes = len(dataset.items), max(config.quantizer.codebook_sizes)
    if config.quantizer.levels > 1 and items < _ITEMS_A_CODE * codes:
        remark(
            f"{codes:,} codes a level are many for {items:,} items: few items will share a code to learn from. "
            f"Try tokenize.quantizer.codebook_size={max(2, items // 35)}."
        )


def _refuse_repeated(item_ids: list[str]) -> None:
    twice = [item for item, count in Counter(item_ids).items() if count > 1]
    if twice:
        raise DataError(
            f"{len(twice):,} items occur more than once in the dataset: {_some(twice)}.",
            "Remove the copies from the catalogue and run genrec data again.",
        )


def _refuse_broken(name: str, source: ItemVectors, item_ids: list[str]) -> None:
    broken = np.flatnonzero(~np.isfinite(source.vectors).all(axis=1))
    if len(broken):
        raise DataError(
            f"The {name} vectors of {len(broken):,} items hold NaN or infinity: "
            f"{_some([item_ids[item] for item in broken])}.",
            "Look at these items in the dataset, or use another encoder.",
        )


def _some(item_ids: list[str]) -> str:
    return ", ".join(map(repr, item_ids[:_SHOWN])) + (", …" if len(item_ids) > _SHOWN else "")
