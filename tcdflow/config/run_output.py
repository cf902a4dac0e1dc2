"""Where a run or sweep writes, by Hydra's settings, and the files of ``.hydra/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from errno import ENAMETOOLONG
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from tcdflow.config.compose import Composer
from tcdflow.config.resolved import selected
from tcdflow.errors import ConfigError, OutputError, Problem
from tcdflow.spec.paths import at_home

_RUN, _SWEEP = "hydra.run.dir", "hydra.sweep.dir"


@dataclass(frozen=True)
class RunOutput:
    """Where a run writes.

    Attributes:
        directory: of the run, as given or the default.
        chosen: whether the user named it; else a run takes another one if it is taken.
        log_name: of its log file.
        verbose: names of loggers that log debug messages too; an empty name is the root's.
        subdir: folder of the files that Hydra leaves; None for none.
        warnings: what was asked for and has no effect.
    """

    directory: Path
    chosen: bool
    log_name: str
    verbose: tuple[str, ...]
    subdir: str | None
    warnings: tuple[str, ...]
    _config: DictConfig = field(repr=False, compare=False)

    @classmethod
    def of(cls, config: DictConfig) -> RunOutput:
        """Read a composed config.

        Raises:
            ConfigError: if the directory is empty or cannot be resolved, or ``hydra.verbose`` is not what it can be.
        """
        hydra = config.hydra
        return cls(
            directory=_directory(config, _RUN),
            chosen=_is_chosen(config, _RUN),
            log_name=f"{hydra.job.name}.log",
            verbose=_verbose(config),
            subdir=hydra.output_subdir,
            warnings=tuple(_ignored(config, _SWEEP, _RUN)),
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


@dataclass(frozen=True)
class SweepOutput:
    """Where a sweep writes.

    Attributes:
        directory: that the user named; None for one of the sweep's own.
        verbose: as of :class:`RunOutput`.
        warnings: as of :class:`RunOutput`.
    """

    directory: Path | None
    verbose: tuple[str, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, config: DictConfig) -> SweepOutput:
        """Read the composed config of the first cell.

        Raises:
            ConfigError: as of :meth:`RunOutput.of`.
        """
        directory = _directory(config, _SWEEP) if _is_chosen(config, _SWEEP) else None
        return cls(directory, _verbose(config), tuple(_ignored(config, _RUN, _SWEEP)))


def _is_chosen(config: DictConfig, key: str) -> bool:
    overrides = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)  # they may name what is not there
    assert isinstance(overrides, list)
    return any(text.lstrip("+").startswith(f"{key}=") for text in overrides)


def _ignored(config: DictConfig, key: str, instead: str) -> Iterator[str]:
    """Yield a warning if the user chose a directory by the key that has no effect here."""
    if _is_chosen(config, key) and not _is_chosen(config, instead):
        where = "on a sweep" if key == _RUN else "without --multirun"
        yield f"{key} has no effect {where}; {instead} chooses the directory"


def _directory(config: DictConfig, key: str) -> Path:
    text = selected(config, key)
    if not text:  # a variable that the shell does not know
        raise ConfigError([Problem(key, "must not be empty; '.' is the working directory")])
    path = at_home(str(text))
    try:
        path.lstat()
    except OSError as error:
        if error.errno == ENAMETOOLONG:
            what = "has a name that is too long for a file or folder"
            raise ConfigError([Problem(key, what, str(path))]) from None
    return path


def _verbose(config: DictConfig) -> tuple[str, ...]:
    """Return the loggers that ``hydra.verbose`` names; ``true`` means the root."""
    value = selected(config, "hydra.verbose")
    if isinstance(value, bool):
        return ("",) if value else ()
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) for name in names):
        raise ConfigError([Problem("hydra.verbose", "must be true, false, or the names of loggers", value)])
    return tuple(names)
