"""Virtual environments of what is compared, installed from package registries with this repository's constraints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[3]
CONSTRAINTS = ROOT / "constraints.txt"
_PATIENCE = 1200.0
_TORCH = ("torch", "torchvision", "torchaudio")
"""What is not taken from a peer's own list: all run on one torch, and its companions are built for another."""
_SHOWN = ("torch", "diffusers", "transformers", "peft", "hydra-core", "tcdflow", "diffusers-workflow")
_NAMES = """
import re, sys
from importlib.metadata import requires
extras = [f'extra == "{extra}"' for extra in sys.argv[2:]]
for line in requires(sys.argv[1]) or []:
    if "extra ==" not in line or any(extra in line for extra in extras):
        print(re.match(r"[A-Za-z0-9_.-]+(\\[[^]]*\\])?", line)[0])
"""
_VERSIONS = (
    "import json, importlib.metadata as m; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
)


class Environments:
    """Makes virtual environments, or finds those of an earlier run.

    Args:
        folder: for them.
        say: tells what is going on.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._made: dict[str, Path] = {}

    def scripts(self) -> Path:
        """Return the Python of an environment with diffusers and Hydra, in the versions that tcdflow is tested with."""
        names = ["torch", "diffusers", "transformers", "peft", "accelerate", "hydra-core"]
        return self._python("scripts", lambda python: _pip(python, "-c", str(CONSTRAINTS), *names))

    def tcdflow(self) -> Path:
        """Return the Python of an environment with this repository's tcdflow, as it is now, without extras."""
        python = self._python("tcdflow", lambda python: _pip(python, "-c", str(CONSTRAINTS), str(ROOT)))
        _pip(python, "--no-deps", "--force-reinstall", str(ROOT))
        return python

    def diffusers_workflow(self) -> Path:
        """Return the Python of an environment with diffusers-workflow and its server.

        Release 0.15 asks for a newer torch than the constraints have: its own bounds are set aside, so that all run on
        the same versions.
        """

        def install(python: Path) -> None:
            _pip(python, "--no-deps", "diffusers-workflow")
            listed = _output([str(python), "-c", _NAMES, "diffusers-workflow", "server"]).split()
            names = [name for name in listed if name not in _TORCH]
            _pip(python, "-c", str(CONSTRAINTS), "torch", *names)
            companions = [name for name in _TORCH if name != "torch"]
            _output([str(python), "-m", "pip", "uninstall", "-q", "-y", *companions])

        return self._python("diffusers-workflow", install)

    def versions(self) -> list[str]:
        """Return a line for each environment."""
        lines = []
        for name, python in self._made.items():
            found = json.loads(_output([str(python), "-c", _VERSIONS]))
            told = ", ".join(f"{package} {found[package]}" for package in _SHOWN if package in found)
            lines.append(f"- {name}: {told}")
        return lines

    def _python(self, name: str, install: Callable[[Path], None]) -> Path:
        python = self._folder.resolve() / name / "bin" / "python"
        ready = python.parents[1] / "ready"
        if not ready.exists():
            self._say(f"installing {name}")
            _output([sys.executable, "-m", "venv", "--clear", str(python.parents[1])])
            install(python)
            ready.touch()
        self._made[name] = python
        return python


def _pip(python: Path, *what: str) -> None:
    _output([str(python), "-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check", *what])


def _output(command: list[str]) -> str:
    """Return what a command prints.

    Raises:
        RuntimeError: with its last error.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, cwd="/")
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()
        raise RuntimeError(errors[-1] if errors else f"{command[0]} ended with {done.returncode}")
    return done.stdout
