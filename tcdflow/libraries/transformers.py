"""Private parts of transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def with_text_model(encoder: Any) -> Iterator[None]:
    """Let diffusers find the parts of a text encoder where it looks for them when layers are skipped.

    transformers 5.6 took CLIPTextModel's ``text_model`` away and moved the parts up into the model itself
    (https://github.com/huggingface/diffusers/issues/14124). The name is put past torch's bookkeeping of submodules.
    """
    if hasattr(encoder, "text_model"):
        yield
        return
    vars(encoder)["text_model"] = encoder
    try:
        yield
    finally:
        del vars(encoder)["text_model"]
