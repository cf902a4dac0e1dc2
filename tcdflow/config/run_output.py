"""Where a run writes, by Hydra's settings, and the files of ``.hydra/``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, OutputError, Problem
from tcdflow.spec.paths import at_home


@dataclass(frozen=True)
class RunOutput:
    """Where a run writes.

    Attributes:
        directory: of the run, as given or the default.
        chosen: whether the user named it; else a run takes another one if it is taken.
        log_name: of its log file.
        verbose: names of loggers that log debug messages too; an empty name is the root's.
        subdir: folder of the files that Hydra leaves; None for none.
    """

    directory: Path
    chosen: bool
    log_name: str
    verbose: tuple[str, ...]
    subdir: str | None
    _config: DictConfig = field(repr=False, compare=False)

    @classmethod
    def of(cls, config: DictConfig) -> RunOutput:
        """Read a composed config.

        Raises:
            ConfigError: if the directory is empty, or ``hydra.verbose`` is not what it can be.
        """
        hydra = config.hydra
        chosen = any(text.lstrip("+").startswith("hydra.run.dir=") for text in hydra.overrides.hydra)
        if chosen and not hydra.run.dir:  # a variable that the shell does not know
            raise ConfigError([Problem("hydra.run.dir", "must not be empty; '.' is the working directory")])
        return cls(
            directory=at_home(str(hydra.run.dir)),
            chosen=chosen,
            log_name=f"{hydra.job.name}.log",
            verbose=tuple(_verbose(hydra.verbose)),
            subdir=hydra.output_subdir,
            _config=config,
        )

    @classmethod
    def alone(cls, overrides: Sequence[str]) -> RunOutput:
        """Return where a run writes whose spec comes from elsewhere.

        Args:
            overrides: of ``hydra.run.dir`` alone.

        Raises:
            ConfigError: if Hydra cannot take them.
        """
        return cls.of(OmegaConf.masked_copy(Composer().draft(overrides).config, ["hydra"]))

    def claimed(self) -> Path:
        """Return the directory, one of its own where the user chose none: two runs may start within a second.

        Raises:
            OutputError: if it cannot be made.
        """
        if self.chosen:
            return self.directory
        for number in range(1, 10_000):
            path = self.directory if number == 1 else self.directory.with_name(f"{self.directory.name}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise OutputError.of(path, error, "made") from error
            return path
        raise OutputError(f"{self.directory}: ten thousand runs have started within this second")

    def files(self, directory: Path) -> dict[str, str]:
        """Return the three files that Hydra leaves of a job, by name, for a run in ``directory``."""
        config = self._config.copy()
        OmegaConf.update(config, "hydra.run.dir", str(self.directory), force_add=True)
        OmegaConf.update(config, "hydra.runtime.output_dir", str(directory), force_add=True)
        own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        hydra, overrides = OmegaConf.masked_copy(config, "hydra"), config.hydra.overrides.task
        parts = {"config": own, "hydra": hydra, "overrides": overrides}
        return {f"{name}.yaml": OmegaConf.to_yaml(part) for name, part in parts.items()}


def _verbose(value: object) -> list[str]:
    """Return the loggers that ``hydra.verbose`` names; ``true`` means the root."""
    if isinstance(value, bool):
        return [""] if value else []
    names = list(value) if isinstance(value, ListConfig) else [value]
    if not all(isinstance(name, str) for name in names):
        raise ConfigError([Problem("hydra.verbose", "must be true, false, or the names of loggers", value)])
    return [str(name) for name in names]
