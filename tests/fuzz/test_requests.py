"""Whatever is asked for is right, or is answered with status 2 and one message that names keys, and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcdflow.config.compose import Composer
from tcdflow.sweeps import planner
from tests.fuzz.answers import Runs, ask, wrong_with
from tests.fuzz.config_files import config_dirs
from tests.fuzz.grammar import sweep_settings
from tests.fuzz.requests import Request, requests, verbs
from tests.helpers import Writer, examples, left_behind, python

REQUESTS: dict[str, tuple[st.SearchStrategy[Request], float]] = {
    "overrides": (requests(["check"]), 0.6),
    "sweeps": (requests(["check", "-m"], sweep_settings), 0.6),
    "files": (requests(["check"], files=config_dirs), 0.6),
    "runs": (requests([]), 0.3),
    "configs shown": (requests(["--cfg", "job"]), 0.3),
    "options": (st.builds(Request, st.just(("ls",)), config_dirs), 0.3),
    "verbs": (verbs, 0.6),
}
"""Kinds of requests, and how many of each are tried, as a share of the profile's examples."""

COMMON = settings(suppress_health_check=list(HealthCheck))

# Answers many requests in a process of its own, and tells at the end what of the heavy it has imported.
MANY = """
import json, sys
import tests.conftest
from hypothesis import given, settings, strategies as st
from tests.helpers import examples
from tests.fuzz.answers import HEAVY
from tests.fuzz.test_requests import COMMON, REQUESTS, answered
mixed = st.one_of(*(REQUESTS[kind][0] for kind in ("overrides", "sweeps", "files")))
settings(COMMON, max_examples=examples(0.3))(given(mixed)(answered))()
print(json.dumps(sorted(HEAVY & set(sys.modules))))
"""


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, a hub that is out of reach, and a stop before anything would run."""
    from huggingface_hub import constants

    import tcdflow.cli.sweep
    import tcdflow.request.run

    def runs(*_: object, **__: object) -> None:
        raise Runs

    def sweeps(composer: Composer, overrides: Sequence[str]) -> None:
        planner.make(composer, overrides)
        raise Runs

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(tcdflow.request.run, "run_single", runs)
    monkeypatch.setattr(tcdflow.cli.sweep, "sweep", sweeps)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    yield
    assert left_behind(tmp_path) == ["empty"]


def answered(request: Request) -> None:
    """Hold the answer to a request against the contract."""
    with tempfile.TemporaryDirectory() as name:
        folder = Writer(Path(name))(request.files)
        before = left_behind(folder)
        argv = [*request.argv, *(["--config-dir", name] if request.files else [])]
        wrong = wrong_with(ask(argv), max(map(len, argv), default=0))
        assert wrong is None, f"{argv}: {wrong}"
        assert left_behind(folder) == before
    assert not list(Path().iterdir())


@pytest.mark.parametrize("kind", REQUESTS)
def test_is_right_or_answered(kind: str) -> None:
    strategy, share = REQUESTS[kind]
    settings(COMMON, max_examples=examples(share))(given(strategy)(answered))()


def test_many_import_no_torch(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    env = {"HF_HUB_OFFLINE": "1", "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path_factory.mktemp("hypothesis"))}
    done = python("-c", MANY, cwd=tmp_path / "empty", env=env)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr[-3000:]
