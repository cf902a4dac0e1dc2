"""Which override or file set a key: looked up only when the key has a problem."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from tcdflow.config.overrides import ParsedOverride


def origin(key: str, parsed: Sequence[ParsedOverride], merged: dict[str, ConfigResult]) -> str | None:
    """Return the override or config file that last set ``key``, or None if nothing visible did."""
    for item in reversed(parsed):
        if not item.is_group and _within(key, item.key):
            return item.text
    for path, result in reversed(merged.items()):
        if result.provider not in ("hydra", "schema") and _holds(result, key):
            own = "conf/" if result.provider == "main" else ""
            return f"{own}{path}.yaml"
    return next((item.text for item in reversed(parsed) if _within(key, item.key) or _within(item.key, key)), None)


def _within(key: str, other: str) -> bool:
    return key == other or key.startswith(f"{other}.")


def chooser(group: str, option: str, loaded: dict[str, ConfigResult]) -> str | None:
    """Return the config file whose list of defaults chooses an option, or None if none does."""
    for path, result in reversed(loaded.items()):
        for element in result.defaults_list or ():
            value = getattr(element, "value", None)
            same_group = str(getattr(element, "group", "")).lstrip("/") == group
            if same_group and option in (value if isinstance(value, list) else [value]):
                return f"{path}.yaml"
    return None


def _holds(result: ConfigResult, key: str) -> bool:
    node = OmegaConf.to_container(result.config, resolve=False)
    for part in key.split(".") if key else ():
        if isinstance(node, dict) and part in node:
            node = node[part]
        else:
            return False
    return True
