"""Personal defaults: a YAML in the user's config directory that stands between tcdflow's own config and an experiment.

It is data, held to what any config may hold. Experiments and the command line have the last word. Records and plans
hold what it set, so a rerun or a resumed sweep never reads it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.default_element import GroupDefault
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from tcdflow.errors import ConfigError, Problem
from tcdflow.spec.paths import at_home

CONFIG = "personal_defaults"
"""The name that Hydra sees the file by; in no group, so that no override can choose it."""

VARIABLE = "TCDFLOW_DEFAULTS"
OFF = ("", "off")


@dataclass(frozen=True)
class PersonalDefaults:
    """What was read.

    Attributes:
        file: where it is.
        sha256: of its bytes.
        sets: what it sets, by dotted key; a chosen preset by its group.
    """

    file: str
    sha256: str
    sets: dict[str, Any]

    @classmethod
    def of(cls, file: Path | None, loaded: ConfigResult | None) -> PersonalDefaults | None:
        """Describe a file by what was read of it; None if nothing was."""
        if file is None or loaded is None:
            return None
        listed = [one for one in loaded.defaults_list or () if isinstance(one, GroupDefault) and one.group]
        chosen = {str(one.group).strip("/"): one.value for one in listed}
        content = OmegaConf.to_container(loaded.config, resolve=False)
        return cls(str(file), hashlib.sha256(file.read_bytes()).hexdigest(), chosen | dict(_leaves(content)))

    def plain(self) -> dict[str, Any]:
        """Return it as the record keeps it."""
        return {"file": self.file, "sha256": self.sha256, "sets": self.sets}


def find() -> Path | None:
    """Return the user's file of personal defaults, or None if there is none or they are off.

    Raises:
        ConfigError: if the environment names a file that is not there.
    """
    named = os.environ.get(VARIABLE)
    if named in OFF:
        return None
    path = at_home(named).absolute() if named is not None else _config_dir() / "tcdflow" / "defaults.yaml"
    try:
        there = path.is_file()
    except OSError:
        there = False
    if not there and named is not None:
        raise ConfigError([Problem(VARIABLE, "there is no such file; 'off' reads none", named)])
    return path if there else None


def _config_dir() -> Path:
    """Return the directory of the user's settings: XDG's, on macOS Apple's."""
    own = os.environ.get("XDG_CONFIG_HOME")
    if own and Path(own).is_absolute():
        return Path(own)
    return at_home("~/Library/Application Support" if sys.platform == "darwin" else "~/.config")


def _leaves(node: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{prefix}.{name}" if prefix else str(name))
    elif prefix:
        yield prefix, node
