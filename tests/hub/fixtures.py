"""Fixtures that start the stand-in and point this process's client at it, with a cache of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from .server import StandInHub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """A hub on loopback, which this process's client takes for the real one."""
    with StandInHub(page_size=3) as running:
        point_client_at(running.endpoint, tmp_path / "hf", monkeypatch)
        yield running


def point_client_at(endpoint: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point this process's client at an endpoint; it reads its environment at import only, hence the patching."""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(home / "stored_tokens"))
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(home / "agents.json"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setenv("TCDFLOW_CACHE", str(home / "tcdflow"))
    # The client waits between its tries; the clock that it waits by is its own here, and runs fast.
    hurried = SimpleNamespace(**{name: getattr(time, name) for name in dir(time) if not name.startswith("_")})
    hurried.sleep = lambda seconds: time.sleep(min(seconds, 0.002))
    monkeypatch.setattr("huggingface_hub.utils._http.time", hurried)
    monkeypatch.setattr("huggingface_hub.file_download.time", hurried)
