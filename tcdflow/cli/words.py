"""What completion knows of verbs, flags and keys, cached between Tabs: collecting it takes half a second.

The memory is made again once a file of our code has changed, or a plug-in of Hydra has come or gone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tcdflow._version import __version__
from tcdflow.cli.verbs import VERBS
from tcdflow.files.hashes import cache_dir

_PLUGINS = "hydra_plugins"
"""The package that installed sweepers and launchers of Hydra share."""


@dataclass(frozen=True)
class Word:
    """A key or flag.

    Attributes:
        name: of it.
        values: some or all of its values.
        place: whether its value is a file or directory.
        takes: whether a value follows, as of every key.
        several: whether more values may follow.
    """

    name: str
    values: tuple[str, ...] = ()
    place: bool = False
    takes: bool = True
    several: bool = False


@dataclass(frozen=True)
class Words:
    """All of them.

    Attributes:
        keys: every key of the configuration.
        flags: those of each verb, and of runs under the empty name.
        plugins: the options of Hydra's own groups that a user may choose from.
        choices: words that the arguments of each verb may be.
    """

    keys: tuple[Word, ...]
    flags: dict[str, tuple[Word, ...]]
    plugins: dict[str, tuple[str, ...]]
    choices: dict[str, tuple[str, ...]]


def words() -> Words:
    """Return them, from the memory of an earlier Tab if there is one."""
    memory = cache_dir() / "completion" / f"{_stamp()}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        return _read(json.loads(memory.read_text("utf-8")))
    collected = _collect()
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        for old in memory.parent.glob("*.json"):
            old.unlink()
        partial = memory.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(asdict(collected)), "utf-8")
        partial.replace(memory)
    return collected


def _stamp() -> str:
    """Return what changes with the code, and with the plug-ins that are installed."""
    stats = [
        f"{entry.path} {entry.stat().st_mtime_ns}"
        for folder, _, _ in os.walk(Path(__file__).parent.parent)
        for entry in os.scandir(folder)
        if entry.name.endswith(".py")
    ]
    found = [__version__, *sorted(stats), *sorted(_plugins())]
    return hashlib.sha256("\n".join(found).encode("utf-8", "replace")).hexdigest()[:32]


def _plugins() -> Iterator[str]:
    """Yield the names of the installed plug-ins of Hydra, without importing any."""
    spec = find_spec(_PLUGINS)
    for folder in (spec and spec.submodule_search_locations) or ():
        with suppress(OSError):
            yield from (path.name for path in Path(folder).iterdir())


def _read(plain: Any) -> Words:
    def word(item: Any) -> Word:
        return Word(item["name"], tuple(item["values"]), item["place"], item["takes"], item["several"])

    return Words(
        tuple(map(word, plain["keys"])),
        {verb: tuple(map(word, flags)) for verb, flags in plain["flags"].items()},
        {group: tuple(names) for group, names in plain["plugins"].items()},
        {verb: tuple(names) for verb, names in plain["choices"].items()},
    )


def _collect() -> Words:
    from tcdflow.cli import run
    from tcdflow.cli.keytable import table
    from tcdflow.config.compose import Composer
    from tcdflow.config.plugins import LAUNCHER, SWEEPER
    from tcdflow.record.key import effect

    composer = Composer()
    parsers = {"": run.parser()} | {name: verb.module.parser() for name, verb in VERBS.items()}
    keys = []
    for key in table():
        null = ("null",) if key.type.endswith("null") else ()
        place = not key.choices and (effect(key.name) == "files" or key.name == "lock" or key.name.endswith(".dir"))
        keys.append(Word(key.name, (*(key.choices or key.examples), *null), place))
    return Words(
        tuple(keys),
        {
            name: tuple(
                Word(
                    option,
                    parser.values(action),
                    action.metavar in ("DIR", "FILE"),
                    action.nargs != 0,
                    action.nargs in ("+", "*"),
                )
                for action in parser.flags()
                for option in action.option_strings
            )
            for name, parser in parsers.items()
        },
        {group: composer.options(group) for group in (LAUNCHER, SWEEPER)},
        {name: parser.choices() for name, parser in parsers.items()},
    )
