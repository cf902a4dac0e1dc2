"""Where configs are: Hydra's own, tcdflow's ``conf/`` and a user's directory, in this order."""

from __future__ import annotations

from pathlib import Path

from hydra import version
from hydra.core.plugins import Plugins

from tcdflow.config.guard import GuardedLoader
from tcdflow.config.places import conf_dir
from tcdflow.errors import ConfigError, Problem
from tcdflow.libraries.hydra import search_path

HYDRA_VERSION_BASE = "1.3"


def config_loader(user_dir: Path | None = None) -> GuardedLoader:
    """Make Hydra's loader over all places.

    Args:
        user_dir: a directory laid out like ``conf/`` that adds options to its groups.

    Raises:
        ConfigError: if ``user_dir`` is not a directory, or would hide one of tcdflow's own files.
    """
    version.setbase(HYDRA_VERSION_BASE)
    Plugins.instance()  # registers the config sources and stores of hydra and its plug-ins
    places = {"hydra": "pkg://hydra.conf", "main": str(conf_dir())}
    if user_dir is not None:
        _check_user_dir(user_dir)
        places["command-line"] = f"file://{user_dir.resolve()}"
    return GuardedLoader(search_path(places | {"schema": "structured://"}))


def _check_user_dir(user_dir: Path) -> None:
    try:
        there = user_dir.is_dir()
    except OSError:  # a name that is too long
        there = False
    if not there:
        raise ConfigError([Problem("--config-dir", "directory not found", str(user_dir))])
    own = conf_dir()
    hidden = sorted(
        str(file.relative_to(own)) for file in own.rglob("*.yaml") if (user_dir / file.relative_to(own)).exists()
    )
    if hidden:
        what = "tcdflow's own file of this name would win; give yours another name"
        raise ConfigError([Problem("--config-dir", what, name, origin=str(user_dir)) for name in hidden])
