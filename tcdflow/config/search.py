"""Where configs are: Hydra's own, tcdflow's ``conf/`` and a user's directory, in this order."""

from __future__ import annotations

import shlex
from pathlib import Path

from hydra import version
from hydra.core.plugins import Plugins

from tcdflow.config.loader import GuardedLoader
from tcdflow.config.named import SUFFIXES
from tcdflow.config.named_file import NamedFile
from tcdflow.config.personal import CONFIG as PERSONAL
from tcdflow.config.places import EXPERIMENT, conf_dir, groups
from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.hydra import search_path

HYDRA_VERSION_BASE = "1.3"


def config_loader(
    user_dir: Path | None = None, experiment: Path | None = None, personal: Path | None = None
) -> GuardedLoader:
    """Make Hydra's loader over all places.

    Args:
        user_dir: a directory laid out like ``conf/`` that adds options to its groups.
        experiment: a YAML that is an option of the group ``experiment``, by its own name, wherever it lies.
        personal: a YAML with personal defaults.

    Raises:
        ConfigError: if ``user_dir`` is not a directory, or would hide one of tcdflow's own files.
    """
    version.setbase(HYDRA_VERSION_BASE)
    Plugins.instance()  # registers the config sources and stores of hydra and its plug-ins
    places = {"hydra": "pkg://hydra.conf", "main": str(conf_dir())}
    if user_dir is not None:
        _check_user_dir(user_dir)
        places["command-line"] = f"file://{user_dir.resolve()}"
    named = [NamedFile(f"{EXPERIMENT}/{experiment.stem}", experiment)] if experiment is not None else []
    named += [NamedFile(PERSONAL, personal)] if personal is not None else []
    return GuardedLoader(search_path(places | {"schema": "structured://"}), named)


def _check_user_dir(user_dir: Path) -> None:
    try:
        there = user_dir.is_dir()
    except OSError:  # a name that is too long
        there = False
    if not there:
        raise ConfigError([Problem("--config-dir", _what_instead(user_dir), str(user_dir))])
    own = conf_dir()
    hidden = sorted(
        str(file.relative_to(own)) for file in own.rglob("*.yaml") if (user_dir / file.relative_to(own)).exists()
    )
    if hidden:
        what = "tcdflow's own file of this name would win; give yours another name"
        raise ConfigError([Problem("--config-dir", what, name, origin=str(user_dir)) for name in hidden])
    if unlike := _not_laid_out(user_dir.resolve()):
        raise ConfigError([Problem("--config-dir", unlike, str(user_dir))])


def _what_instead(path: Path) -> str:
    if path.suffix in SUFFIXES and path.name != path.suffix:
        return f"is a file, not a directory; run a YAML by its path: tcdflow {shlex.quote(str(path))}"
    return "directory not found"


def _not_laid_out(user_dir: Path) -> str | None:
    """Say what is wrong with a directory whose YAMLs nothing would read."""
    names = groups()
    try:
        files = sorted(path for path in user_dir.iterdir() if path.suffix in SUFFIXES)
    except OSError:
        return None
    if not files or any((user_dir / name).is_dir() for name in names):
        return None
    if user_dir.name in names:
        parent = shlex.quote(str(user_dir.parent))
        return f"is the folder of a group; name the directory that holds it: --config-dir {parent}"
    what = f"its YAMLs lie in no folder of a group ({', '.join(names)}); move them there"
    return f"{what}, or run one by its path: tcdflow {shlex.quote(str(files[0]))}"
