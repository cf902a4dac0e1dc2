"""Collects the artifacts of a run, and all their problems, to report them together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tcdflow.errors import ConfigError, NotHereError, Problem, SourceError
from tcdflow.files import base_checks
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.finder import Finder
from tcdflow.files.images import is_url, public_url, resolve_image
from tcdflow.files.network import Network
from tcdflow.files.pins import Pins
from tcdflow.files.source import Source, folder_in
from tcdflow.spec.model import BaseModelSpec, RunSpec
from tcdflow.spec.needs import Need
from tcdflow.text import shortened, unsigned

_MOST_SHOWN = 120


@dataclass
class Resolver:
    """What was found of a run so far, and its problems.

    Attributes:
        finder: finds the files of a part.
        pins: what is known of them beforehand.
        half: whether the run computes in half precision, where the pins do not tell.
        network: what of it may be asked.
    """

    finder: Finder
    pins: Pins
    half: bool
    network: Network
    found: dict[str, Artifact] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def take(self, need: Need, base: BaseModelSpec) -> None:
        """Find the files of a need; a source that is wrong becomes a problem of its key.

        Args:
            need: what is read.
            base: how the run's pipeline is to be read.
        """
        if need.form == "image":
            self._take_image(need)
            return
        found = self._find(
            need.role,
            need.key,
            need.source,
            lambda finder, source, half: _files(finder, need, source, half, base),
        )
        if found is None or not found.single or need.form == "weights" or need.follows_base:
            return
        key = need.config_key
        if not need.may_be_file:
            what = "is a weight file; a folder or repository with its config.json is needed"
            self.problems.append(Problem(need.key, what, need.source))
            return
        if need.config is None:
            what = "a single weight file needs the folder or repository whose config.json it follows"
            if need.form == "pipeline":
                what = "a single-file checkpoint needs the folder or repository it follows"
            self.problems.append(Problem(key, what))
            return
        config = Finder.pipeline_config if need.form == "pipeline" else Finder.model_config
        self._find(key, key, need.config, lambda finder, source, half: config(finder, key, source))

    def check_base(self, spec: RunSpec) -> None:
        """Hold the base and its VAE against the run; a checkpoint without a VAE gets that of its ``base.config``."""
        base, layout = self.found.get("base"), self.found.get("base.config")
        if base is None or (base.single and layout is None):
            return
        known = self.finder.contents(base)
        if spec.base.vae is None and known and known.kind == "checkpoint" and not known.has_vae:
            self._take_vae_of(str(spec.base.config), spec.base.family)
        if vae := self.found.get("base.vae"):
            try:
                base_checks.check_vae(vae, self.finder.contents(vae), layout or base, spec.base)
            except SourceError as error:
                self.problems.append(problem("base.vae", vae.source, error))
        self.problems += base_checks.problems(spec, self.found)

    def _take_vae_of(self, config: str, family: str) -> None:
        before = len(self.problems)
        self._find(
            "base.vae",
            "base.vae",
            folder_in(config, "vae"),
            lambda finder, source, half: finder.model_folder("base.vae", source, half),
        )
        if self.problems[before:]:
            layout = shortened(unsigned(config), _MOST_SHOWN)
            what = f"the checkpoint holds no VAE, and neither does base.config={layout}; name one of family {family}"
            self.problems[before:] = [Problem("base.vae", what)]

    def _find(
        self, role: str, key: str, text: str, find: Callable[[Finder, Source, bool], Artifact]
    ) -> Artifact | None:
        finder = replace(self.finder, cached=not self.network.asks_hub(text))
        try:
            half = self.pins.half(text)
            artifact = find(finder, self.pins.source(text), self.half if half is None else half)
        except SourceError as error:
            self.problems.append(problem(key, text, error))
            return None
        # The lock names a source as the spec does: its commit has a place of its own.
        self.found[role] = replace(artifact, source=text)
        return self.found[role]

    def _take_image(self, need: Need) -> None:
        """Find an input image; a URL with a secret in it is refused, since records name the URL."""
        shown = public_url(need.source)
        if is_url(need.source) and shown != need.source.partition("#")[0]:
            what = "carries a password or token, which would be recorded; download the image and give its path"
            self.problems.append(Problem(need.key, f"'{shown}' {what}"))
            return
        try:
            self.pins.image(need.source)
        except SourceError as error:
            self.problems.append(problem(need.key, shown, error))
            return
        try:
            self.found[need.role] = self._image(need)
        except SourceError as error:
            self.problems.append(Problem(need.key, str(error), fetchable=isinstance(error, NotHereError)))

    def _image(self, need: Need) -> Artifact:
        """Return an input image: as named if that is here, else by its hash, else from its URL if that may be asked.

        A path that is relative to another working directory, that of a recorded run, may name another image here; what
        is not as it was is told when it is held against the lock.
        """
        named = None
        with suppress(SourceError):
            named = resolve_image(need.role, need.source, "nothing")
        find = self.pins.kept_image if named is None else self.pins.image_above
        found = find(need.role, need.source)
        if named is None and found is None:
            found = next(self.pins.above(need.source), None)
        if found is not None:
            return replace(resolve_image(need.role, str(found)), source=public_url(need.source))
        reach = self.network.reach(need.source) if is_url(need.source) else "nothing"
        return named or resolve_image(need.role, need.source, reach)

    def done(self) -> Artifacts:
        """Return what was found.

        Raises:
            ConfigError: if there was any problem.
        """
        if self.problems:
            raise ConfigError(self.problems)
        return Artifacts(self.found)


def _files(finder: Finder, need: Need, source: Source, half: bool, base: BaseModelSpec) -> Artifact:
    if need.form == "weights":
        return finder.weight_file(need.role, source, base.family)
    if need.form == "pipeline":
        return finder.pipeline(need.role, source, base, half)
    if need.full_precision:
        return finder.model_folder(need.role, source, False, None)
    return finder.model_folder(need.role, source, half, family=base.family)


def problem(key: str, text: str, error: SourceError) -> Problem:
    """Return what is wrong with a source as a problem of the key that names it."""
    shown = shortened(unsigned(text), _MOST_SHOWN)
    return Problem(key, f"'{shown}': {error}", fetchable=isinstance(error, NotHereError))
