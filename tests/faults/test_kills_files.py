"""``fetch`` and ``lock`` killed at any moment: the caches hold whole files alone, and nothing is downloaded twice."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcdflow.errors import RecordError
from tcdflow.files.lock import LockedFile
from tcdflow.record import lockfile
from tests.faults.kills import Tally, tally
from tests.helpers import environment, until
from tests.hub import StandInHub
from tests.quick.files.fakes import lora, pipeline

WORDS = ("base=sd15", "base.source=o/sd", "loras.tcd.source=o/lora/tcd.safetensors")
FETCH = ("fetch", *WORDS)
LOCK = ("lock", *WORDS, "--output", "it.lock.json")
_DIGEST = re.compile(r"[0-9-]+ [0-9a-f]{64} [0-9a-f]{16}")


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    """A hub that takes its time over files, with a model whose weights are not small."""
    with StandInHub() as running:
        heavy = {name: data + os.urandom(400_000) * name.endswith(".bin") for name, data in pipeline().items()}
        running.add("o/sd", heavy)
        running.add("o/lora", {"tcd.safetensors": lora(1.0, *(f"module{n}" for n in range(20_000)))})
        running.fail("slow", "^GET /(cdn|o/)")
        yield running


class Killer:
    """Starts a command that asks the hub, and kills it.

    Args:
        hub: that it asks.
        at: working directory; the caches are beside it.
        argv: the command.
        counted: the kills.
    """

    def __init__(self, hub: StandInHub, at: Path, argv: tuple[str, ...], counted: Tally) -> None:
        self._hub, self._at, self._argv, self._counted = hub, at, argv, counted
        self._rounds = 0
        self._anew()
        start = time.perf_counter()
        assert self._start().wait(120) == 0
        self._takes = time.perf_counter() - start
        self._asked = len(hub.requests)
        self._downloads = sorted(hub.downloaded())
        assert len(set(self._downloads)) == len(self._downloads)
        self._expected = self._here()
        self._anew()

    def all(self) -> None:
        """Kill as often as wanted, then let it end."""
        while self._counted.left > 0:
            self._kill()
        assert self._start().wait(120) == 0
        self._through()

    def _anew(self) -> None:
        self._rounds += 1
        self._home = self._at.parent / f"home{self._rounds}"
        (self._at / "it.lock.json").unlink(missing_ok=True)
        self._hub.requests.clear()

    def _start(self) -> subprocess.Popen[bytes]:
        env = self._hub.environ(self._home / "hf") | {"TCDFLOW_CACHE": str(self._home / "tcdflow")}
        command = [sys.executable, "-m", "tcdflow", *self._argv]
        return subprocess.Popen(
            command, cwd=self._at, env=environment(env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _kill(self) -> None:
        had = self._here()
        before = len(self._hub.requests)
        process = self._start()
        chance = self._counted.chance
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0, self._takes))
        else:
            wanted = before + chance.randint(1, self._asked)
            until(lambda: process.poll() is not None or len(self._hub.requests) >= wanted, 0.001)
            time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        status = process.wait()
        now = self._here()
        assert had.items() <= now.items(), "nothing that is here is lost"
        asked = self._hub.requests[before:]
        again = {request.headers["x-name"] for request in asked if request.method == "GET" and had_it(request, had)}
        assert not again, "nothing is downloaded twice"
        if status == 0:  # through before the kill, which does not count
            self._through()
            self._anew()
            return
        self._counted.hit[self._phase(len(asked), now)] += 1

    def _phase(self, asked: int, now: dict[str, str]) -> str:
        if now.keys() == self._expected.keys():
            return "with all files here"
        if not asked:
            return "before it asks"
        return "within a download" if any(half_done(self._home)) else "between downloads"

    def _through(self) -> None:
        """Check the end: the files of one that was never killed, and nothing of those that were."""
        assert self._here() == self._expected
        assert unfinished(self._home, self._at) == []

    def _here(self) -> dict[str, str]:
        """Check that all that is here is whole, and return the hash of each file by its name."""
        found = {}
        for blob in (self._home / "hf" / "hub").glob("models--*/blobs/*"):
            if not blob.name.endswith((".partial", ".incomplete")):
                data = blob.read_bytes()
                names = [sha256(data), hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()]
                assert blob.name in names, "each is what its name says"
        for path in (self._home / "hf" / "hub").glob("models--*/snapshots/*/**/*"):
            if path.is_file():
                found[path.relative_to(self._home).as_posix()] = sha256(path.read_bytes())
            else:
                assert path.is_dir(), "a link has its target"
        for path in (self._home / "tcdflow").glob("*/**/*"):
            if path.is_file() and not any(part.startswith(".partial") for part in path.parts):
                text = path.read_text("utf-8")
                assert _DIGEST.fullmatch(text) or json.loads(text)
        if (self._at / "it.lock.json").exists():
            lockfile.read(self._at / "it.lock.json")
            found["it.lock.json"] = sha256((self._at / "it.lock.json").read_bytes())
        return found


def had_it(request: object, had: dict[str, str]) -> bool:
    name = request.headers.get("x-name")  # type: ignore[attr-defined]
    return name is not None and any(path.endswith(f"/{name}") for path in had)


def half_done(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("*") if path.suffix in (".partial", ".incomplete") and path.stat().st_size)


def unfinished(*folders: Path) -> list[str]:
    names = [path.name for folder in folders for path in folder.rglob("*")]
    return [name for name in names if name.startswith(".partial") or name.endswith((".partial", ".incomplete"))]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_some(hub: StandInHub, at: Path, request: pytest.FixtureRequest) -> None:
    with tally("fetch", 1, 1, request) as counted:
        Killer(hub, at, FETCH, counted).all()


@pytest.mark.slow
@pytest.mark.parametrize(("argv", "many"), [(FETCH, 50), (LOCK, 30)])
def test_many(argv: tuple[str, ...], many: int, hub: StandInHub, at: Path, request: pytest.FixtureRequest) -> None:
    with tally(argv[0], many, many, request) as counted:
        Killer(hub, at, argv, counted).all()


FILES = [
    LockedFile(role="base", source="o/sd", revision=None, file=f"unet/{n}.safetensors", size=n, sha256=f"{n:064x}")
    for n in range(200)
]


def write_for_ever(path: Path) -> None:
    for count in range(1, 10**9):
        lockfile.write(path, FILES[: count % len(FILES) + 1])


def kill_writers(path: Path, counted: Tally) -> None:
    """Kill a process that does nothing but write a lock file."""
    for _ in range(counted.kills):
        pid = os.fork()
        if not pid:
            try:
                write_for_ever(path)
            finally:
                os._exit(1)
        time.sleep(counted.chance.uniform(0, 0.03))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        try:
            number = len(lockfile.read(path).files)
        except RecordError as error:
            assert not path.exists(), error
            number = 0
        counted.hit["before the file" if not number else "with half a file beside it" if unfinished(path.parent)
                    else "between two files"] += 1  # fmt: skip
    subprocess.run([sys.executable, "-c", WRITE.format(path=str(path))], env=environment(), check=True, cwd=path.parent)
    assert [child.name for child in path.parent.iterdir()] == [path.name]


WRITE = "from pathlib import Path; from tcdflow.record import lockfile; lockfile.write(Path({path!r}), [])"


def test_some_that_write_a_lock(at: Path, request: pytest.FixtureRequest) -> None:
    with tally("writing lock files", 20, 20, request) as counted:
        kill_writers(at / "it.lock.json", counted)


@pytest.mark.slow
def test_many_that_write_a_lock(at: Path, request: pytest.FixtureRequest) -> None:
    with tally("writing lock files", 30, 30, request) as counted:
        kill_writers(at / "it.lock.json", counted)
