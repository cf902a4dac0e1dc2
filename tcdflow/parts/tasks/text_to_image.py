"""An image from a prompt."""

from __future__ import annotations

from typing import Literal

from tcdflow.spec.script import Lines, ScriptFiles
from tcdflow.spec.task import TASKS, Task


@TASKS.register("text_to_image")
class TextToImage(Task):
    """An image from a prompt."""

    name: Literal["text_to_image"]

    def script(self, files: ScriptFiles) -> Lines:
        return Lines()
