"""Whole command lines, with the files that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tcdflow.cli.verbs import VERBS
from tests.fuzz.config_files import FILE_NAMES, config_dirs
from tests.fuzz.grammar import fitting, overrides


@dataclass(frozen=True)
class Request:
    """A command line, and the files of the ``--config-dir`` that goes with it."""

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)


def requests(
    verb: Sequence[str],
    *others: st.SearchStrategy[str],
    files: st.SearchStrategy[Mapping[str, bytes]] = st.just({}),  # noqa: B008
) -> st.SearchStrategy[Request]:
    """Overrides behind a verb, of all kinds and of some others."""
    choices = [f"{name.partition('/')[0]}={name.partition('/')[2]}" for name in FILE_NAMES]
    more = [st.sampled_from(choices)] * 3 if files is config_dirs else []
    odd = st.lists(st.one_of(overrides, *others, *more), min_size=1, max_size=2)
    right = st.lists(st.one_of(fitting(), *others, *more), max_size=3)
    return st.builds(
        lambda words, more, files: Request((*verb, *map(_argument, (*more, *words))), files), odd, right, files
    )


def _argument(word: str) -> str:
    return word.replace("\0", "")  # which no process is given


FLAGS = [
    *("--help", "-h", "--version", "-m", "--multirun", "--cfg", "job", "all", "hydra", "--resolve", "--package", "-p"),
    *(
        "--info",
        "config",
        "--config-dir",
        "nowhere",
        "-cd",
        "/",
        "--config-name",
        "-cn",
        "--config-path",
        "-cp",
        "--run",
    ),
    *(
        "--experimental-rerun",
        "--verify",
        "--sample",
        "--retry-failed",
        "--nonsense",
        "-x",
        "--",
        "-",
        "-sc",
        "nowhere",
    ),
    *(*VERBS, "gallery", "base", "loras", "hydra/launcher", "plan.json"),
]
verbs = st.builds(
    lambda verb, words: Request((*verb, *map(_argument, words))),
    st.sampled_from(["", "-m", "check -m", *(verb for verb in VERBS if verb != "lock")]).map(str.split),  # it writes
    st.lists(st.sampled_from(FLAGS) | overrides, max_size=4),
)
