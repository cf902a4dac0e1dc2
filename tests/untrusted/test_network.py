"""No file causes a request: only the person's words do, and those of tcdflow's own configs."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from huggingface_hub import constants
from PIL import Image

from tcdflow import embedded
from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.config.permission import typed
from tcdflow.config.places import addresses
from tcdflow.errors import ConfigError
from tcdflow.files.images import resolve_image
from tcdflow.files.lock import LockedFile
from tcdflow.files.network import ANY, Network
from tcdflow.record.document import Record
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Prepared, Request
from tcdflow.rerun.source import Recorded
from tcdflow.sweeps import planner
from tests.hub import StandInHub

TASK = ("task=image_to_image", "prompt=a bear", "loras=[]")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Site(BaseHTTPRequestHandler):
    """Serves one image, and counts requests."""

    asked: ClassVar[list[str]] = []
    image: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.image)))
        self.end_headers()
        self.wfile.write(self.image)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An image on the loopback, an empty cache, and a working directory."""
    for name in ("http_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), "steelblue").save(tmp_path / "given.png")
    Site.image, Site.asked[:] = (tmp_path / "given.png").read_bytes(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/x.png"
    server.shutdown()
    server.server_close()


def prepared(*overrides: str, config_dir: Path | None = None, fetch: bool = False) -> Prepared:
    return Preparer()(Request.composed(Composer(config_dir, fetch=fetch).compose([*TASK, *overrides])))


def refusal(*overrides: str, config_dir: Path | None = None, fetch: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        prepared(*overrides, config_dir=config_dir, fetch=fetch)
    assert Site.asked == []
    return str(caught.value)


def of_another(folder: Path, address: str) -> Path:
    """A directory of configs that somebody else wrote."""
    (folder / "theirs/experiment").mkdir(parents=True)
    text = f"# @package _global_\ntask:\n  image: {address}\n"
    (folder / "theirs/experiment/theirs.yaml").write_text(text)
    return folder / "theirs"


class TestConfigs:
    def test_what_is_typed_is_asked(self, url: str) -> None:
        prepared(f"task.image={url}")
        assert Site.asked == ["/x.png"]

    def test_what_a_config_names_is_not(self, url: str, tmp_path: Path) -> None:
        theirs = of_another(tmp_path, url)
        said = refusal("experiment=theirs", config_dir=theirs)
        what = "was not fetched before; an address that only a file names is asked with --fetch alone"
        assert said == f"task.image: '{url}': {what}"

    def test_with_fetch_it_must_be_public(self, url: str, tmp_path: Path) -> None:
        said = refusal("experiment=theirs", config_dir=of_another(tmp_path, url), fetch=True)
        assert "leads to 127.0.0.1, which is not a public address" in said

    def test_typed_beside_the_config_it_is_the_persons(self, url: str, tmp_path: Path) -> None:
        prepared("experiment=theirs", f"task.image={url}", config_dir=of_another(tmp_path, url))
        assert Site.asked == ["/x.png"]

    def test_what_was_fetched_once_is_asked_for_no_more(self, url: str, tmp_path: Path) -> None:
        resolve_image("task.image", url)
        prepared("experiment=theirs", config_dir=of_another(tmp_path, url))
        assert len(Site.asked) == 1

    def test_cells_of_a_sweep(self, url: str, tmp_path: Path) -> None:
        composer = Composer(of_another(tmp_path, url))
        with pytest.raises(ConfigError, match="with --fetch alone"):
            planner.make(composer, [*TASK, "experiment=theirs", "sampling.seed=1,2"])
        assert Site.asked == []
        planner.make(composer, [*TASK, f"task.image={url},{url}?2"])
        assert Site.asked == ["/x.png", "/x.png?2"]

    def test_those_of_our_own_configs_may_be_asked_where_they_are_public(self) -> None:
        assert len(addresses()) >= 4
        assert {Network(frozenset(), addresses()).reach(address) for address in addresses()} == {"public"}

    def test_offline_is_offline(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        assert "and HF_HUB_OFFLINE is set: unset it to download" in refusal(f"task.image={url}")
        assert dispatch(["fetch", *TASK, f"task.image={url}"]) == 2
        assert Site.asked == []


@pytest.mark.parametrize(
    ("override", "texts"),
    [
        ("task.image=http://a/b", {"http://a/b"}),
        ("task.image='http://a/b'", {"http://a/b"}),
        ("adapters.x.images=[a/b,'c/d']", {"a/b", "c/d"}),
        ("task={image: http://a/b, name: x}", {"http://a/b", "x"}),
        ("base.source=o/a,o/b", {"o/a", "o/b"}),
        ("prompt=a fox", set()),
        ("task.image=[http://a/b", set()),
    ],
)
def test_texts_that_are_typed(override: str, texts: set[str]) -> None:
    assert typed([override]) - {override.partition("=")[2]} == texts - {override.partition("=")[2]}
    assert texts <= typed([override])


class TestRecords:
    @pytest.fixture
    def recorded(self, url: str, tmp_path: Path) -> Recorded:
        """A run of another machine, whose input image is at an address."""
        composition = Composer().compose([*TASK, f"task.image={url}"])
        locked = [
            LockedFile(role=role, source=source, revision=None, file=name, size=len(data), sha256=digest)
            for role, source, name, data in [("task.image", url, "abc.png", Site.image)]
            for digest in [hashlib.sha256(data).hexdigest()]
        ]
        (tmp_path / "run").mkdir()
        record = Record(started="", spec={})
        return Recorded(tmp_path / "run", composition.spec, tuple(locked), "key", "0", record=record)

    @staticmethod
    def found(recorded: Recorded, *overrides: str, fetch: bool = False) -> Path:
        request = recorded.request(overrides=overrides, fetch=fetch)
        return Preparer()._files(request).by_role["task.image"].path

    def test_no_request(self, recorded: Recorded, url: str) -> None:
        for fetch, what in ((False, "with --fetch alone"), (True, "not a public address")):
            with pytest.raises(ConfigError, match=what) as caught:
                self.found(recorded, fetch=fetch)
            assert url in str(caught.value)
        assert Site.asked == []

    def test_what_is_typed_is_asked(self, recorded: Recorded, url: str) -> None:
        self.found(recorded, f"task.image={url}")
        assert Site.asked == ["/x.png"]

    @pytest.mark.parametrize("where", ["run/mine.png", "run/inputs/mine.png", "cache/pictures/other.png"])
    def test_it_is_found_by_its_hash(self, recorded: Recorded, tmp_path: Path, where: str) -> None:
        (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "given.png", tmp_path / where)
        found = self.found(recorded)
        assert (found.name, found.read_bytes()) == ("abc.png", Site.image)
        assert found.is_relative_to(tmp_path / "cache/inputs"), "where no untrusted directory can change it"
        (tmp_path / where).unlink()
        assert self.found(recorded) == found
        assert Site.asked == []

    def test_other_bytes_and_links_are_not_it(self, recorded: Recorded, tmp_path: Path) -> None:
        (tmp_path / "run/mine.png").write_bytes(Site.image[:-1] + b"x")
        (tmp_path / "run/link.png").symlink_to(tmp_path / "given.png")
        with pytest.raises(ConfigError, match="with --fetch alone"):
            self.found(recorded)

    @pytest.mark.parametrize("name", ["../x.png", "/x.png", ".x.png", "..", ""])
    def test_a_lock_does_not_choose_where_the_cache_keeps_it(
        self, recorded: Recorded, tmp_path: Path, name: str
    ) -> None:
        shutil.copy(tmp_path / "given.png", tmp_path / "run/mine.png")
        lock = tuple(file.model_copy(update={"file": name}) for file in recorded.lock)
        with pytest.raises(ConfigError, match="with --fetch alone"):
            self.found(replace(recorded, lock=lock))
        assert not (tmp_path / "cache/inputs").exists()

    def test_the_hub_is_not_asked_either(self, hub: StandInHub, url: str) -> None:
        hub.add("o/emoji", embedded.model_path("emoji"))
        spec = Composer().compose(["base.source=o/emoji"]).spec
        recorded = Recorded(Path("x.png"), spec, (), "key", "0")
        with pytest.raises(ConfigError) as caught:
            Preparer()(recorded.request())
        assert str(caught.value) == (
            "base.source: 'o/emoji': is not in the local cache, "
            "and the hub is asked for what only a file names with --fetch alone"
        )
        assert hub.requests == []
        Preparer()._files(recorded.request(fetch=True))
        assert hub.requests

    def test_a_cached_commit_needs_no_word(self, hub: StandInHub, url: str) -> None:
        hub.add("o/emoji", embedded.model_path("emoji"))
        spec = Composer().compose(["base.source=o/emoji"]).spec
        from tcdflow.files.lock import lock
        from tcdflow.files.resolve import resolve

        locked = lock(resolve(spec))
        hub.requests.clear()
        request = Recorded(Path("x.png"), spec, locked, "key", "0").request()
        assert Preparer()(request).lock == locked
        assert hub.requests == []


def test_a_program_means_what_it_names() -> None:
    assert ANY.reach("http://127.0.0.1/") == "any"
    assert ANY.asks_hub("o/x")
