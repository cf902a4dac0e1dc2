"""``tcdflow lock`` and ``lock=FILE``: the very commits and hashes, or a line that names what differs."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from tcdflow import embedded
from tcdflow.files.lock import lock
from tcdflow.files.pins import Pins
from tcdflow.files.resolve import look
from tcdflow.record import document, lockfile
from tests.fetch.conftest import LORA, WORDS, Tcdflow, cached
from tests.helpers import Write, left_behind
from tests.hub import StandInHub
from tests.quick.files.fakes import lora, needed, pipeline, spec, weights

UNET = "unet/diffusion_pytorch_model.safetensors"
HELD = [*WORDS, "lock=tcdflow.lock.json"]


def moved(hub: StandInHub) -> None:
    """Move both branches to other bytes."""
    hub.repos["o/sd"].commit({**pipeline(mark="moved"), "scheduler/scheduler_config.json": b'{"moved": true}'})
    hub.repos["o/lora"].commit({"tcd.safetensors": lora(7.0, "moved")})


def commits(path: str) -> set[tuple[str, str | None]]:
    return {(file.source, file.revision) for file in lockfile.read(Path(path)).files}


def test_it_is_written_without_a_download(repositories: StandInHub, tcd: Tcdflow) -> None:
    said = tcd("lock", *WORDS)
    assert said.status == 0
    assert said.out.endswith("tcdflow.lock.json\n")
    assert left_behind(Path()) == ["tcdflow.lock.json"]
    assert not any(name.endswith(".safetensors") for name in cached())
    before = lockfile.read(Path("tcdflow.lock.json"))
    assert commits("tcdflow.lock.json") == {
        (source, repositories.repos[repo].refs["main"])
        for source, repo in (("o/sd", "o/sd"), ("o/lora/tcd.safetensors", "o/lora"))
    }
    assert tcd("fetch", *HELD).status == 0
    assert tcd("lock", *WORDS, "--output", "other.json").status == 0
    assert lockfile.read(Path("other.json")) == before, "what the hub promises is what came"


@pytest.mark.parametrize("verb", [["fetch"], ["check"], ["fetch", "-m", "sampling.seed=1,2"]])
def test_its_commits_are_used(verb: list[str], repositories: StandInHub, tcd: Tcdflow) -> None:
    tcd("lock", *WORDS)
    moved(repositories)
    said = tcd(*verb, *HELD)
    assert said.status == 0
    for source, commit in commits("tcdflow.lock.json"):
        assert f": {source} at {commit}\n" in said.out
    if verb[0] == "fetch":
        assert cached()["o/lora/tcd.safetensors"] == LORA["tcd.safetensors"]
    assert tcd("fetch", *WORDS).out.count(" at ") == 2


@pytest.mark.parametrize("verb", [[], ["check"], ["fetch"], ["-m", "sampling.seed=1,2"], ["check", "-m"]])
def test_another_hash_is_refused_before_anything_is_downloaded(
    verb: list[str], repositories: StandInHub, tcd: Tcdflow
) -> None:
    tcd("lock", *WORDS)
    path = Path("tcdflow.lock.json")
    sha256 = next(file.sha256 for file in lockfile.read(path).files if file.file == UNET)
    path.write_text(path.read_text().replace(sha256, "0" * 64))
    said = tcd(*verb, *HELD)
    assert said.status == 2
    what = f"base: {UNET} has changed: its sha256 was {'0' * 64} and is {sha256} [tcdflow.lock.json"
    assert said.err.startswith(f"tcdflow: {what}")
    assert said.err.count("\n") == 1
    assert not any(name.endswith(".safetensors") for name in cached())
    assert left_behind(Path()) == ["tcdflow.lock.json"]


@pytest.mark.parametrize("verb", [[], ["check"], ["fetch"], ["-m", "sampling.seed=1,2"]])
def test_a_source_that_it_does_not_have(verb: list[str], repositories: StandInHub, tcd: Tcdflow) -> None:
    tcd("lock", *WORDS)
    asked = [*HELD, "loras.tcd.source=o/lora/other.safetensors"]
    said = tcd(*verb, *asked)
    assert said.status == 2
    what = "'o/lora/other.safetensors': is not in tcdflow.lock.json; tcdflow lock with the same overrides adds it"
    assert said.err.startswith(f"tcdflow: loras.tcd.source: {what}")
    moved(repositories)
    repositories.repos["o/lora"].commit(LORA)
    before = commits("tcdflow.lock.json")
    assert tcd("lock", *asked).status == 0
    assert before < commits("tcdflow.lock.json"), "what it has stays where it is"
    assert tcd("fetch", *asked).status == 0
    assert tcd("fetch", *HELD).status == 0


def test_update_takes_todays_commits(repositories: StandInHub, tcd: Tcdflow) -> None:
    tcd("lock", *WORDS)
    before = Path("tcdflow.lock.json").read_bytes()
    moved(repositories)
    tcd("lock", *WORDS)
    assert Path("tcdflow.lock.json").read_bytes() == before
    tcd("lock", *WORDS, "--update")
    assert commits("tcdflow.lock.json") == {
        ("o/sd", repositories.repos["o/sd"].refs["main"]),
        ("o/lora/tcd.safetensors", repositories.repos["o/lora"].refs["main"]),
    }


def test_of_a_sweep_all_cells(repositories: StandInHub, tcd: Tcdflow) -> None:
    repositories.add("o/second", pipeline(mark="second"))
    swept = ["-m", *WORDS, "base.source=o/sd,o/second", "loras=[],[tcd]"]
    assert tcd("lock", *swept, "--output", "both.json").status == 0
    assert {source for source, _ in commits("both.json")} == {"o/sd", "o/second", "o/lora/tcd.safetensors"}
    moved(repositories)
    assert tcd("fetch", *swept, "lock=both.json").status == 0
    assert tcd("fetch", *WORDS, "lock=both.json").status == 0


class TestSweeper:
    """A sweep whose cells a sweeper chooses, by a metric that has a model."""

    SWEPT = ("-m", "hydra/sweeper=optuna", "sweep.metric=clip", "sweep.scorer=o/clip", "sampling.eta=interval(0,1)")

    @pytest.fixture
    def clip(self, hub: StandInHub) -> str:
        return hub.add("o/clip", {"config.json": b"{}", "model.safetensors": weights()}).refs["main"]

    def test_the_model_is_fetched(self, clip: str, tcd: Tcdflow) -> None:
        said = tcd("check", *self.SWEPT)
        (line,) = [line for line in said.out.splitlines() if line.startswith("to fetch")]
        assert tcd(*shlex.split(line.partition("tcdflow ")[2])).status == 0
        assert cached()["o/clip/model.safetensors"] == weights()
        assert f": o/clip at {clip}\n" in tcd("check", *self.SWEPT, offline=True).out

    def test_the_model_is_locked(self, clip: str, hub: StandInHub, tcd: Tcdflow) -> None:
        assert tcd("lock", "base=emoji", "--output", "without.json").status == 0
        assert tcd("lock", *self.SWEPT).status == 0
        assert ("o/clip", clip) in commits("tcdflow.lock.json")
        hub.repos["o/clip"].commit({"config.json": b"{}", "model.safetensors": weights(2)})
        for verb in ("check", "fetch", "lock"):
            said = tcd(verb, *self.SWEPT, "lock=tcdflow.lock.json")
            assert (said.status, f": o/clip at {clip}\n" in said.out) == (0, True), said.err
        said = tcd("check", *self.SWEPT, "lock=without.json")
        assert (said.status, "'o/clip': is not in without.json" in said.err) == (2, True)


@pytest.mark.parametrize("locked", [("",), (".fp16",), ("", ".fp16")])
@pytest.mark.parametrize("half", [False, True])
def test_weights_of_the_precision_that_it_has(locked: tuple[str, ...], half: bool, repositories: StandInHub) -> None:
    """What this machine would choose decides where the lock has both."""
    files = [file for variant in locked for file in lock(look(spec("o/sd"), half=variant != ""))]
    wanted = locked[0] if len(locked) == 1 else ".fp16" if half else ""
    pins = Pins(files, "a.json", "is not in a.json")
    found = look(spec("o/sd"), pins=pins, half=half)
    assert set(found.base.files) == needed(wanted)
    pins.hold(lock(found))


class TestPlace:
    """Beside a user's experiment; here for one of ours; where the config says it is."""

    BASE = "# @package _global_\ndefaults: [{override /base: sd15}, {override /loras: []}]\nbase: {source: o/sd}\n"

    def test_beside_the_experiment(self, repositories: StandInHub, tcd: Tcdflow, configs: Write) -> None:
        folder = configs({"experiment/mine.yaml": self.BASE})
        said = tcd("lock", "--config-dir", str(folder), "experiment=mine")
        assert said.out.splitlines()[-1] == str(folder / "experiment/mine.lock.json")
        assert left_behind(Path()) == []

    def test_ours(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        assert tcd("lock", "experiment=quickstart").out.splitlines()[-1] == "quickstart.lock.json"

    def test_as_the_config_says(self, repositories: StandInHub, tcd: Tcdflow, configs: Write) -> None:
        folder = configs({"experiment/mine.yaml": f"{self.BASE}lock: locks/mine.json\n"})
        asked = ["--config-dir", str(folder), "experiment=mine"]
        said = tcd("check", *asked)
        assert (said.status, said.err.count("\n")) == (2, 1)
        assert said.err.startswith("tcdflow: lock: locks/mine.json: cannot be read: No such file or directory; tcdflow")
        Path("locks").mkdir()
        assert tcd("lock", *asked).out.splitlines()[-1] == "locks/mine.json"
        repositories.repos["o/sd"].commit(pipeline(mark="moved"))
        for verb in (["check"], ["fetch"], ["check", "-m", "sampling.seed=1,2"]):
            said = tcd(*verb, *asked)
            assert said.status == 0
            assert all(f"{source} at {commit}" in said.out for source, commit in commits("locks/mine.json"))

    @pytest.mark.parametrize("place", ["/tmp/evil.json", "~/evil.json", "../evil.json", "evil.sh", "link/evil.json"])
    def test_a_config_file_does_not_choose_where_else_to_write(
        self, place: str, tcd: Tcdflow, configs: Write, tmp_path: Path
    ) -> None:
        Path("link").symlink_to(tmp_path)
        folder = configs({"experiment/mine.yaml": f"# @package _global_\nlock: {place}\n"})
        said = tcd("lock", "--update", "--config-dir", str(folder), "experiment=mine")
        assert (said.status, said.out) == (2, "")
        assert said.err.startswith(f"tcdflow: lock = '{place}': a config file may name a .json file below")
        asked = ["--config-dir", str(folder), "experiment=mine", f"lock={tmp_path / 'mine.json'}"]
        assert tcd("lock", *asked).status == 0
        assert (tmp_path / "mine.json").is_file()

    def test_nowhere_to_write(self, repositories: StandInHub, tcd: Tcdflow) -> None:
        said = tcd("lock", "--output", "no/such/folder.json")
        assert said.status == 1
        assert said.err.startswith("tcdflow: no/such/folder.json: cannot be written: No such file or directory")


class TestFilesOfThisMachine:
    """No commit tells of them, so their bytes have to be looked at."""

    @pytest.fixture(autouse=True)
    def local(self, tcd: Tcdflow) -> None:
        shutil.copytree(embedded.model_path("emoji"), "model")
        assert tcd("lock", "base.source=./model").status == 0

    def test_a_run_is_held_to_it(self, tcd: Tcdflow) -> None:
        held = ["base.source=./model", "lock=tcdflow.lock.json", "sampling.steps=1", "hydra.run.dir=made"]
        assert tcd(*held).status == 0
        record = document.read(Path("made"))
        assert record.lock == sorted(lockfile.read(Path("tcdflow.lock.json")).files, key=record.lock.index)
        shutil.rmtree("made")
        for change in (self.other_bytes, self.one_more, self.one_less):
            shutil.rmtree("model")
            shutil.copytree(embedded.model_path("emoji"), "model")
            what = change()
            said = tcd(*held)
            assert said.status == 2
            assert said.err.startswith(f"tcdflow: base: {what}")
            assert said.err.endswith("[tcdflow.lock.json]\n")
            assert not Path("made").exists()
        shutil.rmtree("model")
        assert "there is no such file or folder" in tcd(*held).err

    def other_bytes(self) -> str:
        content = Path("model", UNET).read_bytes()
        Path("model", UNET).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        return f"{UNET} has changed: its sha256 was "

    def one_more(self) -> str:
        Path("model/tokenizer/added_tokens.json").write_text("{}")
        return "tokenizer/added_tokens.json is not in the lock; here its sha256 is "

    def one_less(self) -> str:
        Path("model/tokenizer/tokenizer_config.json").unlink()
        return "tokenizer/tokenizer_config.json is missing; its sha256 was "

    def test_a_changed_file_is_locked_again_only_on_request(self, tcd: Tcdflow) -> None:
        before = Path("tcdflow.lock.json").read_bytes()
        self.other_bytes()
        said = tcd("lock", "base.source=./model")
        assert said.status == 2
        assert "--update takes it as it is" in said.err
        assert Path("tcdflow.lock.json").read_bytes() == before
        assert tcd("lock", "base.source=./model", "--update").status == 0
        assert tcd("check", "base.source=./model", "lock=tcdflow.lock.json").status == 0

    def test_it_is_not_sought_on_the_hub(self, tcd: Tcdflow, hub: StandInHub) -> None:
        Path("o").mkdir()
        Path("model").rename("o/model")
        assert tcd("lock", "base.source=o/model").status == 0
        shutil.rmtree("o")
        hub.add("o/model", embedded.model_path("emoji"))
        said = tcd("check", "base.source=o/model", "lock=tcdflow.lock.json")
        assert said.status == 2
        assert "names a local folder or file of another machine, which is not found here" in said.err
        assert hub.requests == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is not a lock file of schema 1"),
        ("[]", "is not a lock file of schema 1"),
        ('{"schema_version": 2, "tcdflow": "9", "files": []}', "is not a lock file of schema 1: schema_version: "),
        (json.dumps({"schema_version": 1, "tcdflow": "1", "files": [{"role": "base"}]}), "files.0.source: Field req"),
        ('{"schema_version": 1, "tcdflow": "1", "files": [], "security": true}', "security: Extra inputs are not"),
    ],
)
def test_a_damaged_lock_file_is_one_line(content: str, why: str, tcd: Tcdflow) -> None:
    Path("x.json").write_text(content)
    for verb in ([], ["check"], ["-m", "sampling.seed=1,2"]):
        said = tcd(*verb, "lock=x.json")
        assert (said.status, said.err.count("\n")) == (2, 1)
        assert said.err.startswith("tcdflow: lock: x.json: ")
        assert why in said.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["lock=[1]"], "lock: [1]: cannot be read: No such file or directory; tcdflow lock writes one"),
        (["-m", "lock=a.json,b.json"], "lock: a.json,b.json: cannot be read: No such file or directory"),
        (["lock="], "lock = '': must be the path of a lock file"),
        (["lock", "--outptu", "x"], "--outptu"),
        (["lock", "--output"], "expected one argument"),
    ],
)
def test_what_is_no_lock_is_one_line(words: list[str], why: str, tcd: Tcdflow) -> None:
    said = tcd(*words)
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert why in said.err
