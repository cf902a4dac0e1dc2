"""``gallery`` killed at any moment: thumbnails, tables and page are whole or not there, and none is made twice."""

from __future__ import annotations

import hashlib
import re
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.conftest import partial
from tests.faults.kills import Tally, tally
from tests.helpers import left_behind, until
from tests.zygote.client import Zygote

SWEEP = ("-m", "sampling.steps=1", "sampling.seed=range(60)", "hydra.sweep.dir=sweep")
PAGE, THUMBNAILS = "index.html", ".thumbs"


class Killer:
    """Starts ``tcdflow gallery`` over a sweep, and kills it.

    Args:
        zygote: forks it.
        at: working directory.
        counted: the kills.
    """

    def __init__(self, zygote: Zygote, at: Path, counted: Tally) -> None:
        self._zygote, self._at, self._counted = zygote, at, counted
        self._sweep = at / "sweep"
        assert zygote.run(*SWEEP, cwd=at, drawn=True).status == 0
        written = (PAGE, THUMBNAILS, "images.")  # the sweep has a page of its own, which goes
        self._before = {name for name in left_behind(self._sweep) if not name.startswith(written)}
        self._anew()
        self._end()
        self._expected = self._made()
        assert PAGE in self._expected
        self._anew()
        start = time.perf_counter()
        self._end()
        self._takes = time.perf_counter() - start
        assert self._made() == self._expected
        self._anew()

    def all(self) -> None:
        """Kill as often as wanted, then let it end."""
        while self._counted.left > 0:
            self._kill()
        self._end()
        assert self._made() == self._expected
        assert partial(self._sweep) == []

    def _end(self) -> None:
        said = self._zygote.run("gallery", "sweep", cwd=self._at)
        assert said.status == 0, said.err

    def _kill(self) -> None:
        had = self._stamps()
        started = self._zygote.start("gallery", "sweep", cwd=self._at)
        chance = self._counted.chance
        wanted = len(had) + chance.randint(0, 20)
        if chance.random() < 0.7:
            until(lambda: started.ended() or len(self._thumbnails()) >= wanted, 0.001)
        time.sleep(chance.uniform(0, self._takes / 2))
        started.send(signal.SIGKILL)
        status = started.end().status
        made = self._made()
        assert made.items() <= self._expected.items(), "each is whole"
        assert had.items() <= self._stamps().items(), "no thumbnail is made twice"
        if status == 0:  # through before the kill, which does not count
            assert made == self._expected
            self._anew()
            return
        thumbnails = len(self._thumbnails())
        phase = "after the page" if PAGE in made else f"with {'no' if not thumbnails else 'some'} thumbnails"
        self._counted.hit[phase if thumbnails < 60 else "after the thumbnails"] += 1

    def _made(self) -> dict[str, str]:
        """Check that what it has made is whole, and return the hash of each file by its name."""
        for path in self._thumbnails():
            with Image.open(path) as image:
                image.load()
        names = [name for name in left_behind(self._sweep) if name not in self._before and ".partial-" not in name]
        files = [(name, self._sweep / name) for name in names]
        return {name: hashlib.sha256(timeless(path)).hexdigest() for name, path in files if path.is_file()}

    def _thumbnails(self) -> list[Path]:
        return list((self._sweep / THUMBNAILS).glob("[!.]*"))

    def _stamps(self) -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in self._thumbnails()}

    def _anew(self) -> None:
        for name in reversed([name for name in left_behind(self._sweep) if name not in self._before]):
            path = self._sweep / name
            path.rmdir() if path.is_dir() else path.unlink()


def timeless(path: Path) -> bytes:
    """A file without the time at which its page was written."""
    data = path.read_bytes()
    return re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", b"", data) if path.name == PAGE else data


@pytest.mark.slow
def test_many(zygote: Zygote, at: Path, request: pytest.FixtureRequest) -> None:
    with tally("gallery", 30, 30, request) as counted:
        Killer(zygote, at, counted).all()
