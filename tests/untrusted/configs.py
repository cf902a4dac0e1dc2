"""An untrusted config, and the witnesses of what it attempts.

Each attempt has a witness: a file that a ``_target_`` or a logging factory would make, a variable that ``env_set``
would set, a secret in the environment that must show up nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.errors import ConfigError, Problem
from tests.helpers import Write

SECRET = "a-secret-of-the-environment"
EVIL = "experiment/evil.yaml"

Refused = Callable[[dict[str, str | bytes]], tuple[Problem, ...]]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture
def witnesses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCDFLOW_TEST_SECRET", SECRET)
    monkeypatch.delenv("TCDFLOW_TEST_SET", raising=False)


@pytest.fixture
def refused(configs: Write, marker: Path, witnesses: None, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Run ``experiment=evil`` of a directory: a wrong request, no effect, no secret; returns what was said."""

    def attempt(files: dict[str, str | bytes]) -> tuple[Problem, ...]:
        evil = configs(files)
        monkeypatch.setenv("TCDFLOW_DEBUG", "1")  # the error itself, and not its message
        with pytest.raises(ConfigError) as caught:
            dispatch(["--config-dir", str(evil), "experiment=evil", f"hydra.run.dir={marker}.run"])
        assert SECRET not in str(caught.value)
        assert not marker.exists()
        assert not Path(f"{marker}.run").exists()
        assert "TCDFLOW_TEST_SET" not in os.environ
        return caught.value.problems

    return attempt
