"""``tcdflow fetch`` brings what is needed and nothing else; ``check`` only says so; what was cut off goes on."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

import tcdflow
from tcdflow import embedded
from tcdflow.record import document
from tests.fetch.conftest import LORA, WORDS, Tcdflow, cached
from tests.helpers import environment, left_behind, until
from tests.hub import FaultKind, StandInHub
from tests.quick.files.fakes import lora, needed, pipeline

ALL = {f"o/sd/{name}": pipeline()[name] for name in needed()} | {"o/lora/tcd.safetensors": LORA["tcd.safetensors"]}
LARGE = {name for name in ALL if name.endswith(".safetensors")}
CDN = "GET /cdn/"


class TestConfig:
    def test_what_is_needed_and_nothing_else(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        said = tcd("fetch", *WORDS)
        assert said.status == 0
        assert cached() == ALL
        commits = {name: repo.refs["main"] for name, repo in repositories.repos.items()}
        assert f": o/sd at {commits['o/sd']}\n" in said.out
        assert said.out.endswith(f": o/lora/tcd.safetensors at {commits['o/lora']}\n")
        assert "to be fetched" not in said.out
        assert left_behind(Path()) == []

    def test_afterwards_the_hub_is_not_needed(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        tcd("fetch", *WORDS)
        repositories.stop()
        for verb in (["fetch"], ["check"], ["fetch", "-m", "sampling.seed=1,2"], ["check", "-m", "sampling.seed=1,2"]):
            said = tcd(*verb, *WORDS, offline=True)
            assert (said.status, said.err) == (0, "")
            assert "to be fetched" not in said.out
            assert "to fetch" not in said.out

    def test_of_a_sweep_every_cell(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        repositories.add("o/second", pipeline(mark="second"))
        said = tcd("fetch", "-m", *WORDS, "base.source=o/sd,o/second", "loras=[],[tcd]", "sampling.seed=range(3)")
        assert said.status == 0
        second = {f"o/second/{name}": pipeline(mark="second")[name] for name in needed()}
        assert cached() == ALL | second
        assert len(said.out.splitlines()) == 3
        repositories.requests.clear()
        assert tcd("fetch", "-m", *WORDS, "base.source=o/sd,o/second", "sampling.seed=range(3)").status == 0
        assert repositories.downloaded() == []

    def test_a_branch_is_one_commit_for_all_cells(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        """It moves while the sweep is planned, after the first cells."""
        real, asked = repositories.note, []

        def move(request: object) -> object:
            asked.append(request)
            if str(getattr(request, "path", "")).endswith("/api/models/o/lora"):
                repositories.repos["o/sd"].commit({**pipeline(), "unet/config.json": b'{"moved": true}'})
            return real(request)  # type: ignore[arg-type]

        repositories.note = move  # type: ignore[assignment, method-assign]
        said = tcd("check", "-m", *WORDS, "loras=[],[tcd]")
        assert said.status == 0
        assert len(repositories.repos["o/sd"].commits) == 2
        assert said.out.count("o/sd at ") == 1

    def test_all_mistakes_are_said_before_anything_large_comes(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        for verb in ([], ["fetch"], ["-m", "sampling.seed=1,2"], ["fetch", "-m", "sampling.seed=1,2"]):
            said = tcd(*verb, *WORDS, "loras.tcd.source=o/lora/none.safetensors")
            assert said.status == 2
            assert "loras.tcd.source: 'o/lora/none.safetensors': has no file" in said.err
        assert tcd("-m", *WORDS, "sampling.eta=0,0.5,7").status == 2
        assert not any(name in LARGE for name in cached())

    def test_a_mistyped_path_is_no_override(self, tcd: Tcdflow) -> None:
        said = tcd("fetch", "outputs/nowhere")
        assert (said.status, said.err) == (2, "tcdflow: outputs/nowhere: cannot be read: No such file or directory\n")


class TestCheck:
    def test_it_says_what_is_to_be_fetched_and_fetches_nothing_large(
        self, repositories: StandInHub, tcd: Tcdflow
    ) -> None:
        size = sum(len(content) for name, content in ALL.items() if name in LARGE)
        for verb in (["check"], ["check", "-m", "sampling.seed=1,2"]):
            said = tcd(*verb, *WORDS)
            assert said.status == 0
            command = shlex.join(["tcdflow", "fetch", *verb[1:], *WORDS])
            assert f"to fetch    {size / 1e6:.1f} MB, with: {command}\n" in said.out
            assert said.out.count("to be fetched") == 2
        assert set(cached()) == set(ALL) - LARGE

    def test_the_command_that_it_names_works(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        asked = ["-m", *WORDS, "prompt='a, b',c"]
        (line,) = [line for line in tcd("check", *asked).out.splitlines() if line.startswith("to fetch")]
        assert tcd(*shlex.split(line.partition("tcdflow ")[2])).status == 0
        assert cached() == ALL

    @pytest.mark.parametrize("looked", [False, True], ids=["nothing is known", "looked before"])
    @pytest.mark.parametrize("verb", [["check"], [], ["check", "-m", "sampling.seed=1,2"], ["-m", "sampling.seed=1,2"]])
    def test_offline_it_names_what_is_missing_and_what_fetches_it(
        self, verb: list[str], looked: bool, repositories: StandInHub, tcd: Tcdflow
    ) -> None:
        if looked:
            tcd("check", *WORDS)
        said = tcd(*verb, *WORDS, offline=True)
        assert said.status == 2
        assert "not in the local cache, and HF_HUB_OFFLINE is set: unset it to download" in said.err
        assert "base.source: 'o/sd': " in said.err
        assert ("text_encoder/model.safetensors and 2 more (0.0 MB) are not" in said.err) == looked
        *_, last = said.err.splitlines()
        command = last.removeprefix("tcdflow: this fetches what is missing: HF_HUB_OFFLINE=0 tcdflow ")
        assert tcd(*shlex.split(command)).status == 0
        assert cached() == ALL

    def test_a_plan_has_the_keys_that_it_has_once_all_is_here(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        from tcdflow.config.compose import Composer
        from tcdflow.sweeps import planner

        before = planner.make(Composer(), [*WORDS, "sampling.seed=1,2"])
        assert sum(len(artifact.absent) for artifact in before.artifacts) == len(LARGE)
        tcd("fetch", *WORDS)
        after = planner.make(Composer(), [*WORDS, "sampling.seed=1,2"])
        assert not any(artifact.absent for artifact in after.artifacts)
        assert (after.plan.cells, after.plan.lock) == (before.plan.cells, before.plan.lock)


class TestCutOff:
    """Files of three pieces, as the client writes them."""

    BIG = lora(1.0, *(f"w{number:04d}" for number in range(150)))

    @pytest.fixture(autouse=True)
    def pieces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", len(self.BIG) // 5)

    def asked(self, hub: StandInHub) -> list[str]:
        """What was asked for of the large file, by range."""
        return [r.headers.get("range", "all") for r in hub.requests if r.path.startswith("/cdn/")]

    @pytest.mark.parametrize("kind", ["close", "stall"])
    def test_a_second_try_goes_on_where_it_was(self, kind: FaultKind, hub: StandInHub, tcd: Tcdflow) -> None:
        hub.add("o/big", {"x.safetensors": self.BIG})
        hub.fail(kind, CDN)
        said = tcd("fetch", "loras.tcd.source=o/big")
        assert said.status == 2
        hub.heal()
        hub.requests.clear()
        assert tcd("fetch", "loras.tcd.source=o/big").status == 0
        assert cached()["o/big/x.safetensors"] == self.BIG
        (asked,) = self.asked(hub)
        assert int(asked.removeprefix("bytes=").partition("-")[0]) > 0

    def test_what_was_kept_and_is_wrong_is_no_obstacle(self, hub: StandInHub, tcd: Tcdflow) -> None:
        hub.add("o/big", {"x.safetensors": self.BIG})
        hub.fail("close", CDN)
        tcd("fetch", "loras.tcd.source=o/big")
        hub.heal()
        (partial,) = Path(constants.HF_HUB_CACHE).rglob("*.partial")
        for content in (b"x" * partial.stat().st_size, b"x" * (len(self.BIG) + 1), b"x" * len(self.BIG)):
            partial.write_bytes(content)
            assert tcd("fetch", "loras.tcd.source=o/big").status == 0
            assert cached()["o/big/x.safetensors"] == self.BIG
            for path in (partial.with_suffix(""), *Path(constants.HF_HUB_CACHE).rglob("x.safetensors")):
                path.unlink()

    def test_a_killed_process_has_not_worked_for_nothing(self, hub: StandInHub, tmp_path: Path) -> None:
        count = 21 * 2**20  # of which the client has written ten megabytes once half has come
        half = {"dtype": "F32", "shape": [count // 8]}
        parts = {
            f"x.lora_{part}.weight": half | {"data_offsets": [at, at + count // 2]}
            for part, at in (("down", 0), ("up", count // 2))
        }
        header = json.dumps(parts).encode()
        big = struct.pack("<Q", len(header)) + header + random.Random(0).randbytes(count)
        hub.add("o/big", {"x.safetensors": big})
        hub.fail("stall", CDN, times=1)
        environ = environment(hub.environ(tmp_path / "home")) | {"HF_HUB_DOWNLOAD_TIMEOUT": "60"}
        command = [sys.executable, "-m", "tcdflow", "fetch", "loras.tcd.source=o/big"]
        first = subprocess.Popen(command, env=environ, cwd=tmp_path)
        until(lambda: any(path.stat().st_size for path in (tmp_path / "home").rglob("*.partial")))
        first.send_signal(signal.SIGKILL)
        first.wait()
        (partial,) = (tmp_path / "home").rglob("*.partial")
        kept = partial.stat().st_size
        hub.requests.clear()
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True)
        (asked,) = self.asked(hub)
        assert int(asked.removeprefix("bytes=").partition("-")[0]) == kept > 0
        (file,) = (tmp_path / "home").rglob("x.safetensors")
        assert file.read_bytes() == big
        assert done.stderr.splitlines()[-1] == f"downloading: {len(big) / 1e6:.1f} MB of {len(big) / 1e6:.1f} MB"
        assert not list((tmp_path / "home").rglob("*.partial"))

    def test_an_interrupt_does_not_wait_for_the_hub(self, hub: StandInHub, tmp_path: Path) -> None:
        hub.add("o/big", {"x.safetensors": self.BIG})
        hub.fail("hang", CDN)
        environ = environment(hub.environ(tmp_path / "home")) | {"HF_HUB_DOWNLOAD_TIMEOUT": "600"}
        command = [sys.executable, "-m", "tcdflow", "fetch", "loras.tcd.source=o/big"]
        process = subprocess.Popen(command, env=environ, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        until(lambda: bool(self.asked(hub)) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 130
        assert said.splitlines()[-1] == "tcdflow: interrupted"

    def test_a_file_system_without_links(self, hub: StandInHub, tcd: Tcdflow, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(1, "Operation not permitted")

        hub.add("o/big", {"x.safetensors": self.BIG})
        monkeypatch.setattr(Path, "symlink_to", refuse)
        for _ in range(2):
            assert tcd("fetch", "loras.tcd.source=o/big").status == 0
            assert cached() == {"o/big/x.safetensors": self.BIG}
        assert len(self.asked(hub)) == 1
        (file,) = Path(constants.HF_HUB_CACHE).rglob("x.safetensors")
        assert not file.is_symlink()
        file.write_bytes(self.BIG[:-1] + b"!")
        assert tcd("fetch", "loras.tcd.source=o/big").status == 0
        assert cached() == {"o/big/x.safetensors": self.BIG}

    @pytest.mark.parametrize("right", [True, False])
    def test_xet_is_the_clients(
        self, right: bool, hub: StandInHub, tcd: Tcdflow, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Files stored by Xet come through its own downloader, and are held against their hash all the same."""
        seen: list[int] = []

        def xet_get(*, incomplete_path: Path, expected_size: int, tqdm_class: Any, **_: object) -> None:
            bar = tqdm_class(total=expected_size)
            incomplete_path.write_bytes(self.BIG if right else self.BIG[::-1])
            for part in (expected_size // 2, expected_size - expected_size // 2):
                bar.update(part)
                seen.append(part)

        monkeypatch.setattr("huggingface_hub.file_download.xet_get", xet_get)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
        hub.add("o/big", {"x.safetensors": self.BIG}, xet=True)
        said = tcd("fetch", "loras.tcd.source=o/big")
        assert sum(seen) == len(self.BIG) and self.asked(hub) == []
        if right:
            assert said.status == 0 and cached()["o/big/x.safetensors"] == self.BIG
            assert f"{len(self.BIG) / 1e6:,.1f} MB of {len(self.BIG) / 1e6:,.1f} MB" in said.err
        else:
            assert said.status == 2 and "the hub sends other bytes of x.safetensors than it promises" in said.err
            assert not list(Path(constants.HF_HUB_CACHE).rglob("*.safetensors"))

    def test_two_at_once_download_a_file_once(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        from tcdflow.files.resolve import fetch, look
        from tests.quick.files.fakes import spec

        looked = [look(spec("o/sd")) for _ in range(3)]
        repositories.requests.clear()
        threads = [threading.Thread(target=fetch, args=(artifacts,)) for artifacts in looked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        large = [name for name in repositories.downloaded() if name.endswith(".safetensors")]
        assert len(large) == len(set(large)) == len(LARGE) - 1


@pytest.mark.parametrize(
    ("kind", "where", "why"),
    [
        ("unauthorized", "/api/models/o/sd$", "log in with `hf auth login`"),
        ("gated", "/api/models/o/sd$", "is gated: accept its terms at http"),
        ("gated", "GET .*/resolve/.*unet/diffusion", "is gated: accept its terms at http"),
        ("no repo", "/api/models/o/sd$", "the hub has no such repository, or it is private"),
        ("no entry", "GET .*/resolve/.*unet/diffusion", "the repository does not have this file"),
        ("too many", CDN, "too many requests from here (429)"),
        ("error 500", CDN, "in trouble (it answered 500): try again later"),
        ("hang", CDN, "did not answer within 0.3 s"),
        ("close", CDN, "the connection to the hub broke: try again"),
        ("other bytes", CDN, "the hub sends other bytes of"),
        ("fewer bytes", CDN, "the hub sent other bytes than it promised"),
        ("web page", CDN, "the hub sent other bytes than it promised"),
    ],
)
def test_a_fault_is_one_line_and_a_second_try_works(
    kind: FaultKind, where: str, why: str, repositories: StandInHub, tcd: Tcdflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3 if kind == "hang" else 5)
    repositories.fail(kind, where)
    said = tcd("fetch", "base=sd15", "base.source=o/sd", "loras=[]")
    lines = [line for line in said.err.splitlines() if "downloading: " not in line and "trying again" not in line]
    assert said.status == 2
    assert len(lines) == 1
    assert lines[0].startswith("tcdflow: base.source: 'o/sd': ")
    assert why in lines[0]
    repositories.heal()
    assert tcd("fetch", *WORDS).status == 0
    assert cached() == ALL


def test_a_disk_that_is_too_small_is_said_before_the_download(
    repositories: StandInHub, tcd: Tcdflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 3

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    said = tcd("fetch", *WORDS)
    assert said.status == 2
    assert f"0.0 GB are free in {constants.HF_HUB_CACHE}; HF_HUB_CACHE names another place" in said.err


class TestRecorded:
    """A run and a sweep of the hub, whose cache is then lost; the branch has moved on."""

    WORDS = ("base.source=o/emoji", "loras=[]", "sampling.steps=1")

    @pytest.fixture
    def moved(self, hub: StandInHub) -> None:
        hub.add("o/emoji", embedded.model_path("emoji"))

    def lose(self, hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "another" / "hub"))
        files = hub.repos["o/emoji"].commits[hub.repos["o/emoji"].refs["main"]]
        hub.repos["o/emoji"].commit({**files, "scheduler/scheduler_config.json": b"{}"})

    def test_a_run(
        self, moved: None, hub: StandInHub, tcd: Tcdflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tcdflow.run(*self.WORDS, "hydra.run.dir=made")
        self.lose(hub, tmp_path, monkeypatch)
        said = tcd("rerun", "made", "--verify", offline=True)
        assert said.status == 2
        *_, last = said.err.splitlines()
        assert last == "tcdflow: this fetches what is missing: HF_HUB_OFFLINE=0 tcdflow fetch made"
        for path in ("made", "made/run.json", "made/000.png"):
            assert tcd("fetch", path).status == 0
        assert tcd("rerun", "made", "--verify", offline=True).status == 0

    def test_a_sweep(
        self, moved: None, hub: StandInHub, tcd: Tcdflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert tcd("-m", *self.WORDS, "sampling.seed=1,2", "hydra.sweep.dir=swept").status == 0
        before = document.read(Path("swept/cells/001_seed=2"))
        (Path("swept/cells/001_seed=2") / "run.json").unlink()
        self.lose(hub, tmp_path, monkeypatch)
        for verb in ("resume", "fetch"):
            said = tcd(verb, "swept", offline=True)
            assert said.status == 2
            assert said.err.endswith("this fetches what is missing: HF_HUB_OFFLINE=0 tcdflow fetch swept\n")
        for path in ("swept/plan.json", "swept", "swept/cells/000_seed=1"):
            assert tcd("fetch", path).status == 0
        assert tcd("resume", "swept", offline=True).status == 0
        after = document.read(Path("swept/cells/001_seed=2"))
        assert (after.outputs, after.lock, after.key) == (before.outputs, before.lock, before.key)

    def test_a_plan_that_leaves_its_folders_is_refused(
        self, moved: None, tcd: Tcdflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from tcdflow.config.compose import Composer
        from tcdflow.sweeps import planner

        planner.make(Composer(), [*self.WORDS, "sampling.seed=1,2"]).plan.write(Path("swept"))
        text = Path("swept/plan.json").read_text()
        for name in ("../../x.json", "/etc/passwd", "a/../../b"):
            Path("swept/plan.json").write_text(text.replace('"model_index.json"', f'"{name}"', 1))
            said = tcd("fetch", "swept")
            assert said.status == 2
            assert "must be the name of a file below a folder" in said.err
            assert "\n" not in said.err.rstrip("\n")


def test_it_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from tcdflow.cli.command import dispatch\n"
        "assert dispatch(['fetch']) == dispatch(['lock']) == dispatch(['check', 'lock=tcdflow.lock.json']) == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(os.environ), check=True)
