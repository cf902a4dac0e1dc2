"""Whatever the hub does, the answer is one line that says what to do, and a second try works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from tcdflow.errors import ConfigError
from tcdflow.files.resolve import resolve
from tests.hub import FaultKind, StandInHub
from tests.quick.files.fakes import needed, pipeline, spec

SOURCE = "o/sd"
INFO, TREE, HEAD, SMALL, CDN = "/api/models/o/sd$", "/tree/", "HEAD .*/resolve/", "GET .*/resolve/", "GET /cdn/"
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(autouse=True)
def repository(hub: StandInHub) -> None:
    hub.add(SOURCE, pipeline())


def failure(source: str = SOURCE) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(spec(source))
    text = str(caught.value)
    assert text.startswith(f"base.source: '{source}': ")
    assert text.count(source) <= 2, "the source is said once, and once more as the address of its page"
    assert "\n" not in text
    return text.removeprefix(f"base.source: '{source}': ")


def works() -> None:
    base = resolve(spec(SOURCE)).base
    assert set(base.files) == needed()
    for name in base.files:
        assert (base.root / name).read_bytes() == pipeline()[name]


@pytest.mark.parametrize(
    ("kind", "where", "why"),
    [
        ("unauthorized", INFO, "wants to know who you are, or your token is no longer valid: log in with `hf auth"),
        ("unauthorized", HEAD, "wants to know who you are"),
        ("forbidden", INFO, "your token may not read this repository"),
        ("forbidden", HEAD, "your token may not read this repository"),
        ("gated", INFO, "is gated: accept its terms at http"),
        ("gated", HEAD, "is gated: accept its terms at http"),
        ("no repo", INFO, "the hub has no such repository, or it is private"),
        ("no repo", HEAD, "the hub has no such repository, or it is private"),
        ("no revision", INFO, "the repository has no branch, tag or commit 'main'"),
        ("no entry", HEAD, "the repository does not have this file"),
        ("too many", INFO, "too many requests from here (429): wait some minutes"),
        ("too many", TREE, "too many requests from here (429): wait some minutes"),
        ("too many", HEAD, "too many requests from here (429): wait some minutes"),
        ("too many", CDN, "too many requests from here (429): wait some minutes"),
        ("error 500", INFO, "in trouble (it answered 500): try again later"),
        ("error 500", TREE, "in trouble (it answered 500): try again later"),
        ("error 500", HEAD, "in trouble (it answered 500): try again later"),
        ("error 500", CDN, "in trouble (it answered 500): try again later"),
        ("error 503", INFO, "in trouble (it answered 503): try again later"),
        ("close", INFO, "the connection to the hub broke: try again"),
        ("close", TREE, "the connection to the hub broke: try again"),
        ("close", CDN, "the connection to the hub broke: try again"),
        ("other bytes", CDN, "the hub sends other bytes of"),
        ("other bytes", SMALL, "the hub sends other bytes of model_index.json than it promises: try again later"),
        ("fewer bytes", CDN, "the hub sent other bytes than it promised: try again"),
        ("web page", INFO, "does not answer as a hub does: check HF_ENDPOINT"),
        ("web page", TREE, "does not answer as a hub does: check HF_ENDPOINT"),
        ("hang", INFO, "did not answer within 0.3 s: try again, or set HF_HUB_DOWNLOAD_TIMEOUT"),
        ("hang", TREE, "did not answer within 0.3 s"),
        ("hang", HEAD, "did not answer within 0.3 s"),
        ("hang", CDN, "did not answer within 0.3 s"),
    ],
)
def test_a_fault_is_one_line_and_a_second_try_works(kind: FaultKind, where: str, why: str, hub: StandInHub) -> None:
    hub.fail(kind, where)
    said = failure()
    assert why in said
    assert len(said) < 300
    hub.heal()
    works()


@pytest.mark.parametrize(
    ("kind", "where"),
    [(kind, where) for where in (TREE, HEAD) for kind in ("error 500", "error 503", "hang", "too many")]
    + [("close", TREE), ("close", CDN), ("hang", CDN), ("too many", CDN)],
)
def test_a_passing_fault_is_ridden_out(kind: FaultKind, where: str, hub: StandInHub) -> None:
    hub.fail(kind, where, times=1)
    works()


@pytest.mark.parametrize("kind", ["error 503", "hang", "close", "unauthorized", "web page"])
def test_what_is_cached_works_although_the_hub_does_not(kind: FaultKind, hub: StandInHub) -> None:
    works()
    commit = resolve(spec(SOURCE)).base.revision
    hub.fail(kind)
    assert set(resolve(spec(f"{SOURCE}@{commit}")).base.files) == needed()
    if kind in ("error 503", "hang", "close"):
        works()


def test_nobody_is_there(hub: StandInHub) -> None:
    hub.stop()
    assert f"the hub cannot be reached at {hub.endpoint}: check the network" in failure()


def test_a_gated_repository_says_what_to_accept_and_where(hub: StandInHub) -> None:
    hub.repos[SOURCE].gated = True
    assert failure() == f"is gated: accept its terms at {hub.endpoint}/{SOURCE}, then log in with `hf auth login`"


def test_a_missing_revision_is_named(hub: StandInHub) -> None:
    assert failure(f"{SOURCE}@v9") == "the repository has no branch, tag or commit 'v9'"


def test_a_password_in_the_endpoint_is_not_shown(hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint.replace("://", "://user:secret@"))
    hub.fail("gated", INFO)
    assert "secret" not in failure()


def damage(name: str) -> Path:
    """Change a byte of a cached file, as a bad disk would."""
    path = resolve(spec(SOURCE)).base.root / name
    content = path.read_bytes()
    path.resolve().write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return path


@pytest.mark.parametrize("name", [UNET, "unet/config.json"])
def test_a_damaged_cache_is_mended(name: str, hub: StandInHub) -> None:
    damage(name)
    hub.requests.clear()
    works()
    assert hub.downloaded() == [name]


@pytest.mark.parametrize("name", [UNET, "unet/config.json"])
def test_a_damaged_cache_is_not_loaded_offline(name: str, hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    damage(name)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert failure() == f"{name} is damaged in the local cache: unset HF_HUB_OFFLINE to download it again"


def test_a_truncated_cache_is_mended(hub: StandInHub) -> None:
    path = resolve(spec(SOURCE)).base.root / UNET
    path.resolve().write_bytes(path.read_bytes()[:-3])
    works()


def test_bytes_that_were_not_promised_are_not_left_in_the_cache(hub: StandInHub) -> None:
    hub.fail("other bytes", CDN)
    failure()
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.safetensors"))
    blobs = [path.read_bytes() for path in Path(constants.HF_HUB_CACHE).glob("models--o--sd/blobs/*")]
    assert blobs
    assert all(blob in pipeline().values() for blob in blobs)


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    assert failure() == "cannot be stored in the hub's cache: No space left on device"


def test_a_strange_commit_is_refused(hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would name a folder of the cache."""
    repo = hub.repos[SOURCE]
    repo.commits["../../../evil"] = repo.commits[repo.refs["main"]]
    repo.refs["main"] = "../../../evil"
    assert "does not answer as a hub does" in failure()


def test_a_listing_that_leaves_the_repository_writes_nothing_outside(hub: StandInHub) -> None:
    hub.repos[SOURCE].commit({**pipeline(), "../../../../evil.txt": b"x", "unet/../../../../../evil.json": b"x"})
    resolve(spec(SOURCE))
    assert not list(Path(constants.HF_HUB_CACHE).parent.parent.rglob("evil*"))


def test_tries_are_said_once_and_bars_stay_out_of_files(hub: StandInHub, tmp_path: Path) -> None:
    hub.fail("close", CDN, times=3)
    code = (
        "import time; time.sleep = lambda seconds: None\n"
        "from tcdflow.files.finder import Finder\n"
        "from tcdflow.files.resolve import fetch\n"
        "from tcdflow.files.source import parse\n"
        "fetch([Finder().model_folder('net', parse('o/sd/unet'), False)])"
    )
    environ = {**os.environ, **hub.environ(tmp_path / "home")}
    run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout == ""
    assert run.stderr == "o/sd: the hub does not answer as it should; trying again for a while\n"
