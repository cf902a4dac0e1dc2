"""Frames that move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tcdflow.spec.script import Lines, ScriptFiles
from tcdflow.spec.task import TASKS, Task
from tcdflow.spec.types import Int

if TYPE_CHECKING:
    from PIL.Image import Image


@TASKS.register("animation")
class Animation(Task):
    """Frames that move; needs a motion adapter among the adapters."""

    animated = True

    name: Literal["animation"]
    num_frames: Int = Field(16, ge=1, le=1024, description="frames of each animation")
    decode_chunk_size: Int = Field(16, ge=1, le=1024, description="frames that the VAE decodes at once")

    def script(self, files: ScriptFiles) -> Lines:
        return Lines()

    def settings(self) -> dict[str, Any]:
        """Return the numbers of frames."""
        return {"num_frames": self.num_frames, "decode_chunk_size": self.decode_chunk_size}

    def frames(self, output: Any, number: int) -> Sequence[Image]:
        """Return the frames of one animation."""
        frames: Sequence[Image] = output.frames[number]
        return frames
