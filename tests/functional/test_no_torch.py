"""What is answered without torch: importing the package, showing what would run, and a user's mistakes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers import left_behind, python

HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "peft",
    "accelerate",
    "torchvision",
    "scipy",
    "cv2",
    "numpy",
    "imageio",
    "av",
)

# Tells at its very end what it has imported.
HARNESS = """
import atexit, json, sys
_, heavy, told, code = sys.argv
def tell():
    open(told, "w").write(json.dumps(sorted(set(json.loads(heavy)) & set(sys.modules))))
atexit.register(tell)
exec(code)
"""

# Runs commands as the console script does, each in a fork of a process that has imported what all of them share.
FORKS = """
import atexit, json, os, sys
_, heavy, commands = sys.argv
from tcdflow.config.compose import Composer
from tcdflow.cli import check, ls, main, multirun, rerun, run, sweep
Composer().compose([])
def tell():
    open("../told", "w").write(json.dumps(sorted(set(json.loads(heavy)) & set(sys.modules))))
for number, argv in enumerate(json.loads(commands)):
    os.makedirs(f"{number}/empty")
    pid = os.fork()
    if pid == 0:
        os.chdir(f"{number}/empty")
        for descriptor, name in (1, "out"), (2, "err"):
            os.dup2(os.open(f"../{name}", os.O_CREAT | os.O_WRONLY | os.O_APPEND), descriptor)
        atexit.register(tell)
        sys.argv = ["tcdflow", *argv]
        main()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    open(f"{number}/status", "w").write(str(status))
"""

SHOWN = [
    ["check"],
    ["check", "-m", "sampling.seed=1,2"],
    ["ls"],
    ["ls", "base"],
    ["--version"],
    ["--help"],
    ["--cfg", "job"],
]

MISTAKES = [
    ["sampling.stpes=4"],
    ["sampling.eta=1.5"],
    ["base=sdlx"],
    ["loras=[tdc]"],
    ["sampling.steps=four"],
    ["prompt="],
    ["-m", "sampling.eta=0,2"],
    ["base.source=./no/such/folder"],
    ["loras.tcd.source=no/such/file.bin"],
    ["--config-dir", "no/such/place"],
    ["--experimental-rerun", "x"],
    ["rerun", "nowhere.png"],
]


@dataclass(frozen=True)
class Ended:
    """What a process said, imported and left behind."""

    status: int
    out: str
    err: str
    imported: list[str]
    files: list[str]


OFFLINE = {"HF_HUB_OFFLINE": "1"}
KEPT = ("status", "out", "err", "told")


def run(tmp_path: Path, code: str) -> Ended:
    """Run Python in an empty directory."""
    told, empty = tmp_path / "told.json", tmp_path / "empty"
    empty.mkdir()
    done = python("-c", HARNESS, json.dumps(HEAVY), str(told), code, cwd=empty, env=OFFLINE)
    assert told.is_file(), done.stderr
    return Ended(done.returncode, done.stdout, done.stderr, json.loads(told.read_text()), list(left_behind(empty)))


def forked(folder: Path, commands: Sequence[list[str]]) -> dict[str, Ended]:
    """Run commands, each in an empty directory."""
    done = python("-c", FORKS, json.dumps(HEAVY), json.dumps(commands), cwd=folder, env=OFFLINE)
    assert done.returncode == 0, done.stderr
    found = {}
    for number, argv in enumerate(commands):
        status, out, err, told = ((folder / f"{number}/{name}").read_text("utf-8") for name in KEPT)
        files = list(left_behind(folder / f"{number}/empty"))
        found[" ".join(argv)] = Ended(int(status), out, err, json.loads(told), files)
    return found


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """The commands below, as they ended."""
    return forked(tmp_path_factory.mktemp("forks"), [*SHOWN, *MISTAKES])


def test_importing_costs_no_torch_and_no_hydra(tmp_path: Path) -> None:
    code = "import tcdflow; tcdflow.run, tcdflow.compose; assert 'hydra' not in sys.modules; print(tcdflow.__version__)"
    done = run(tmp_path, code)
    assert (done.status, done.imported) == (0, []), done.err
    assert done.out.count(".") == 2


@pytest.mark.parametrize("argv", SHOWN, ids=" ".join)
def test_showing_costs_no_torch(argv: list[str], ended: dict[str, Ended]) -> None:
    done = ended[" ".join(argv)]
    assert (done.status, done.imported, done.files) == (0, [], []), done.err
    assert done.out


def test_composing_costs_no_torch(tmp_path: Path) -> None:
    done = run(tmp_path, "import tcdflow; print(tcdflow.compose('base=sdxl').base.family)")
    assert (done.status, done.out, done.imported, done.files) == (0, "sdxl\n", [], []), done.err


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_message_and_nothing_else(mistake: list[str], ended: dict[str, Ended]) -> None:
    done = ended[" ".join(mistake)]
    assert done.status == 2
    assert (done.out, done.imported, done.files) == ("", [], [])
    assert done.err.startswith("tcdflow: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err
    assert mistake[-1].partition("=")[0].strip("-") in done.err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_letters_that_a_terminal_has_not_are_escaped(encoding: str, tmp_path: Path) -> None:
    argv = ["check", "prompt=a café", f"hydra.run.dir={os.fsdecode(bytes([0xFF]))}"]
    done = python("-m", "tcdflow", *argv, cwd=tmp_path, env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    assert ("a caf\\xe9" if encoding == "ascii" else "a café") in done.stdout


def test_a_developer_can_ask_for_the_traceback(tmp_path: Path) -> None:
    code = (
        "import os; os.environ['TCDFLOW_DEBUG'] = '1'; "
        "from tcdflow.cli.command import dispatch; dispatch(['base=sdlx'])"
    )
    done = run(tmp_path, code)
    assert (done.status, done.imported) == (1, [])
    assert "Traceback" in done.err
    assert "ConfigError" in done.err
