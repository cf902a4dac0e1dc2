"""A hub with a pipeline and a LoRA of a few hundred bytes, and commands in a working directory of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from tcdflow.cli.command import dispatch
from tests.helpers import Answer
from tests.hub import StandInHub
from tests.hub.fixtures import hub
from tests.quick.files.fakes import lora, pipeline

__all__ = ["hub"]

WORDS = ["base=sd15", "base.source=o/sd", "loras.tcd.source=o/lora/tcd.safetensors"]
LORA = {"tcd.safetensors": lora(1.5, "lora"), "other.safetensors": lora(2.5, "other"), "README.md": b"Two."}


Tcdflow = Callable[..., Answer]


@pytest.fixture
def repositories(hub: StandInHub) -> StandInHub:
    hub.add("o/sd", pipeline())
    hub.add("o/lora", LORA)
    return hub


@pytest.fixture
def tcd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tcdflow:
    """Run a command in an empty directory; ``offline=True`` as with HF_HUB_OFFLINE=1."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*argv: str, offline: bool = False) -> Answer:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(constants, "HF_HUB_OFFLINE", offline)
            capfd.readouterr()
            return Answer(dispatch(argv), *capfd.readouterr())

    return run


def cached() -> dict[str, bytes]:
    """The files of the hub's cache by repository and name, as its client shows them."""
    found: dict[str, bytes] = {}
    for snapshots in Path(constants.HF_HUB_CACHE).glob("models--*/snapshots/*"):
        repo = snapshots.parents[1].name.removeprefix("models--").replace("--", "/")
        files = [path for path in snapshots.rglob("*") if path.is_file()]
        found |= {f"{repo}/{path.relative_to(snapshots).as_posix()}": path.read_bytes() for path in files}
    return found
