"""Build the library of the card, unless it is there, and print the folder that is to stand in ``PYTHONPATH``."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.cpp_extension import include_paths, library_paths

HERE = Path(__file__).parent
SOURCE = HERE / "card.cpp"
LIBRARY = HERE / "site" / f"libcard-{torch.__version__}.so"


def main() -> None:
    if torch.version.cuda or torch.version.hip:
        return
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    if shutil.which(compiler[0]) is None:
        print("card: no CUDA, and no C++ compiler for a stand-in: what needs a card is skipped", file=sys.stderr)
        return
    print("card: no CUDA: a stand-in takes its place", file=sys.stderr)
    if not LIBRARY.exists() or LIBRARY.stat().st_mtime < SOURCE.stat().st_mtime:
        try:
            _build(compiler)
        except subprocess.CalledProcessError as error:
            sys.exit(f"card: the C++ compiler ends with {error.returncode}")
    print(LIBRARY.parent)


def _build(compiler: Sequence[str]) -> None:
    made = LIBRARY.with_suffix(f".{os.getpid()}")  # two may build at once
    folders = [f"-I{folder}" for folder in include_paths()]
    for folder in library_paths():
        folders += [f"-L{folder}", f"-Wl,-rpath,{folder}"]
    how = ["-std=c++20", "-O1", "-shared", "-fPIC"]
    subprocess.run([*compiler, *how, SOURCE, "-o", made, *folders, "-ltorch_cpu", "-lc10"], check=True)
    made.replace(LIBRARY)


if __name__ == "__main__":
    main()
