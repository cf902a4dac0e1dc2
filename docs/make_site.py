"""Makes the site of the documentation: ``make docs``. ``--no-gallery`` leaves out the sweep whose page it shows.

A half minute on two cores, with no network; a link that leads nowhere is an error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SITE = HERE / "_build"
PROMPTS = '"a fox on a green background","a panda","a castle on a pink background"'
AXES = [f"prompt={PROMPTS}", "sampling.steps=2,4,8", "sampling.eta=0,0.3,1", "sampling.seed=1,2"]
"""What the page `demo.md` says that the gallery shows."""


def main() -> int:
    """Write the site to ``docs/_build``, and return Sphinx's exit status."""
    with tempfile.TemporaryDirectory() as extra, tempfile.TemporaryDirectory() as doctrees:
        if "--no-gallery" not in sys.argv[1:]:
            command = [sys.executable, "-m", "tcdflow", "-m", *AXES, "hydra.sweep.dir=demo-gallery"]
            subprocess.run(command, cwd=extra, check=True, stdout=subprocess.DEVNULL)
        sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", doctrees, str(HERE), str(SITE)]
        return subprocess.run(sphinx, env=os.environ | {"TCDFLOW_SITE_EXTRA": extra}).returncode


if __name__ == "__main__":
    sys.exit(main())
