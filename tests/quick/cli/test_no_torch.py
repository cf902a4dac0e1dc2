"""What is answered without torch: importing the package, showing what would run, and a user's mistakes."""

from __future__ import annotations

import json
import os
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

# Runs a command as the console script does, and tells at its very end what it has imported.
HARNESS = """
import atexit, json, sys
_, heavy, told, *argv = sys.argv
def tell():
    open(told, "w").write(json.dumps(sorted(set(json.loads(heavy)) & set(sys.modules))))
atexit.register(tell)
if argv[0] == "-c":
    exec(argv[1])
else:
    sys.argv = ["tcdflow", *argv[1:]]
    from tcdflow.cli import main
    main()
"""

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


def run(tmp_path: Path, *argv: str) -> tuple[int, str, str, list[str], list[str]]:
    """Run in an empty directory: exit status, stdout, stderr, heavy modules imported, files left behind."""
    told = tmp_path / "told.json"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = python("-c", HARNESS, json.dumps(HEAVY), str(told), *argv, cwd=empty, env={"HF_HUB_OFFLINE": "1"})
    assert told.is_file(), done.stderr
    return done.returncode, done.stdout, done.stderr, json.loads(told.read_text()), list(left_behind(empty))


def test_importing_costs_no_torch_and_no_hydra(tmp_path: Path) -> None:
    code = "import tcdflow; tcdflow.run, tcdflow.compose; assert 'hydra' not in sys.modules; print(tcdflow.__version__)"
    status, out, err, imported, _ = run(tmp_path, "-c", code)
    assert (status, imported) == (0, []), err
    assert out.count(".") == 2


@pytest.mark.parametrize(
    "argv",
    [
        ["check"],
        ["check", "-m", "sampling.seed=1,2"],
        ["ls"],
        ["ls", "base"],
        ["--version"],
        ["--help"],
        ["--cfg", "job"],
    ],
)
def test_showing_costs_no_torch(argv: list[str], tmp_path: Path) -> None:
    status, out, err, imported, files = run(tmp_path, "tcdflow", *argv)
    assert (status, imported, files) == (0, [], []), err
    assert out


def test_composing_costs_no_torch(tmp_path: Path) -> None:
    code = "import tcdflow; print(tcdflow.compose('base=sdxl').base.family)"
    status, out, err, imported, files = run(tmp_path, "-c", code)
    assert (status, out, imported, files) == (0, "sdxl\n", [], []), err


@pytest.mark.parametrize("mistake", MISTAKES, ids=" ".join)
def test_a_mistake_is_one_message_and_nothing_else(mistake: list[str], tmp_path: Path) -> None:
    status, out, err, imported, files = run(tmp_path, "tcdflow", *mistake)
    assert status == 2
    assert (out, imported, files) == ("", [], [])
    assert err.startswith("tcdflow: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert mistake[-1].partition("=")[0].strip("-") in err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_letters_that_a_terminal_has_not_are_escaped(encoding: str, tmp_path: Path) -> None:
    argv = ["check", "prompt=a café", f"hydra.run.dir={os.fsdecode(bytes([0xFF]))}"]
    done = python("-m", "tcdflow", *argv, cwd=tmp_path, env={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    assert ("a caf\\xe9" if encoding == "ascii" else "a café") in done.stdout


def test_a_developer_can_ask_for_the_traceback(tmp_path: Path) -> None:
    code = (
        "import os; os.environ['TCDFLOW_DEBUG'] = '1'; from tcdflow.cli.main import dispatch; dispatch(['base=sdlx'])"
    )
    status, _, err, imported, _ = run(tmp_path, "-c", code)
    assert (status, imported) == (1, [])
    assert "Traceback" in err
    assert "ConfigError" in err
