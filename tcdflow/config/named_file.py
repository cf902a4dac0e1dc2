"""One file under a name of its own, wherever it lies: an experiment by its path, personal defaults. It is data."""

from __future__ import annotations

from pathlib import Path

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf


class NamedFile(ConfigSource):
    """A file that Hydra sees as one config, wherever it lies; its content is for the whole config, header or not.

    Args:
        config: the name that it is seen by, such as ``experiment/mine``.
        file: the file.
    """

    def __init__(self, config: str, file: Path) -> None:
        super().__init__("named", f"{self.scheme()}://{file.parent}")
        self.config = config
        self.file = file

    @staticmethod
    def scheme() -> str:
        """Return how its places are written."""
        return "file"

    def load_config(self, config_path: str) -> ConfigResult:
        """Read the file."""
        return ConfigResult(
            provider=self.provider,
            path=f"{self.scheme()}://{self.file}",
            config=OmegaConf.load(self.file),
            header={"package": "_global_"},
        )

    def is_group(self, config_path: str) -> bool:
        """Say whether it lies in a group of this name."""
        return "/" in self.config and config_path == self.config.rpartition("/")[0]

    def is_config(self, config_path: str) -> bool:
        """Say whether it is the config of this name."""
        return config_path in (self.config, f"{self.config}.yaml")

    def available(self) -> bool:
        """Say whether it is there."""
        return True

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """Return its name, of the group that it lies in."""
        return [self.config.rpartition("/")[2]] if self.is_group(config_path) else []
