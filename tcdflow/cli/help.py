"""What ``tcdflow --help`` says: the commands people need, and where to see what can be chosen."""

from __future__ import annotations

from collections.abc import Sequence

TEXT = """\
tcdflow: declarative, reproducible few-step diffusion with TCD-LoRAs

  tcdflow prompt="a red heart" sampling.seed=1       make an image (one run)
  tcdflow experiment=quickstart sampling.eta=0.5     run a YAML, with changes
  tcdflow -m sampling.eta=0,0.5,1 sampling.seed=1,2  make every combination (a sweep)
  tcdflow resume DIR                                 finish an interrupted sweep
  tcdflow rerun PATH [--verify]                      make a run again from its directory or an image; compare pixels
  tcdflow check base=sdxl sampling.steps=8           say what would run, and what is wrong; run nothing
  tcdflow fetch base=sdxl | DIR                      download what a config, sweep or recorded run needs
  tcdflow lock base=sdxl [--output FILE] [--update]  write down commits and hashes; lock=FILE holds a run to them
  tcdflow ls [GROUP]                                 list what can be chosen

Overrides are Hydra's: group=option chooses a YAML of conf/, key.subkey=value sets a value.
  -m, --multirun     commas, range() and choice() make a sweep
  hydra/launcher=ray spreads a sweep over devices and machines; hydra/sweeper=optuna chooses its cells
  security.allow_pickle=true   read the tensors of pickled weights (.bin .ckpt .pt), of which no code is run
  --config-dir DIR   a directory laid out like conf/ that adds your own YAMLs
  --cfg job          print the composed config
  -sc install=bash   shell completion: eval "$(tcdflow -sc install=bash)"
  --version, --help

Exit status: 0 done, 1 a run failed, 2 the request was wrong, 130 interrupted. TCDFLOW_DEBUG=1 shows tracebacks.
"""


def show(_: Sequence[str]) -> int:
    """Print the help."""
    print(TEXT, end="")
    return 0
