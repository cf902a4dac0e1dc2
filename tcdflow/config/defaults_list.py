"""A user's list of defaults: its mistakes are said in tcdflow's words, and mended so that the rest is judged too.

Hydra stops at the first mistake of such a list, and blames its own classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from hydra.core.default_element import ConfigDefault, GroupDefault, InputDefault

from tcdflow.config.places import groups
from tcdflow.config.twice import twice
from tcdflow.errors import Problem
from tcdflow.spec.nearest import nearest


def _leaves(path: str) -> bool:
    """Say whether a path is refused elsewhere: it leads out of the configs."""
    return path.startswith("//") or ".." in path


class Options(Protocol):
    """What can be chosen, as Hydra's config repository knows it."""

    def group_exists(self, config_path: str) -> bool:
        """Say whether there is such a group."""

    def config_exists(self, config_path: str) -> bool:
        """Say whether there is such a config."""

    def get_group_options(self, group_name: str) -> list[str]:
        """Return the names that can be chosen from a group."""


@dataclass(frozen=True)
class DefaultsList:
    """The list of one file.

    Args:
        config: the file, such as ``experiment/mine``.
        known: what can be chosen.
    """

    config: str
    known: Options

    def mended(self, elements: Sequence[InputDefault], problems: list[Problem]) -> list[InputDefault]:
        """Return the list without its mistakes, which are added to ``problems``, and with what overrides at its end."""
        right = [one for element in elements for one in self._mended(element, problems)]
        return sorted(right, key=lambda element: element.is_override())

    def _mended(self, element: InputDefault, problems: list[Problem]) -> Iterator[InputDefault]:
        if element.package is not None or element.is_self():
            yield element
        elif isinstance(element, GroupDefault) and element.group and "." not in element.group:
            yield from self._group(element, element.group, problems)
        elif isinstance(element, ConfigDefault) and element.path and not _leaves(element.path):
            yield from self._single(element, element.path, problems)
        else:
            yield element

    def _group(self, element: GroupDefault, written: str, problems: list[Problem]) -> Iterator[InputDefault]:
        name = written.strip("/")
        ours = groups()
        here = self.config.rpartition("/")[0]
        path = name if written.startswith("/") or not here else f"{here}/{name}"
        value = f"[{', '.join(element.value)}]" if isinstance(element.value, list) else element.value
        if name == "experiment":
            what = f"an experiment takes another by its name alone, first in the list: '- {value}'"
            problems.append(self._problem("defaults", what, f"{written}: {value}"))
            return
        if self.known.group_exists(path) and (element.override or path not in ours):
            element.group = f"/{path}"
        elif name in ours:
            what = f"write 'override /{name}: {value}': a preset of this group is chosen already"
            if element.override:
                what = f"write 'override /{name}: {value}', with a slash"
            problems.append(self._problem("defaults", what, f"{'override ' * element.override}{written}: {value}"))
            element.group, element.override, path = f"/{name}", True, name
        elif name.split("/")[0] == "hydra" or element.optional:
            yield element
            return
        else:
            what = f"unknown group; there are {', '.join(ours)}"
            near = nearest(name, ours)
            problems.append(self._problem("defaults", what, written, near and f"override /{near}: {value}"))
            return
        if self._chosen(element, path, problems):
            yield element

    def _chosen(self, element: GroupDefault, path: str, problems: list[Problem]) -> bool:
        """Leave out options that are not there; say whether there is anything left."""
        names = self.known.get_group_options(path)
        chosen = element.value if isinstance(element.value, list) else [element.value]
        there = [
            one
            for one in chosen
            if one is None
            or element.optional
            or any(mark in one for mark in ("$", "?", ".."))  # interpolated, missing on purpose, or refused elsewhere
            or self.known.config_exists(f"{path}/{one}")
        ]
        for one in chosen:
            if one not in there:
                what = f"must be one of {', '.join(names)}"
                problems.append(self._problem(path, what, one, nearest(str(one), names)))
        problems += twice(path, there, f"{self.config}.yaml")
        if isinstance(element.value, list):
            element.value = [one for one in there if one is not None]
            return True
        return bool(there)

    def _single(self, element: ConfigDefault, written: str, problems: list[Problem]) -> Iterator[InputDefault]:
        here = self.config.rpartition("/")[0]
        path = written.lstrip("/") if written.startswith("/") or not here else f"{here}/{written}"
        if self.known.config_exists(path) or "$" in written or path.split("/")[0] == "hydra":
            yield element
            return
        group, _, name = path.rpartition("/")
        holding = [group for group in groups() if name in self.known.get_group_options(group)]
        names = self.known.get_group_options(group) if self.known.group_exists(group) else []
        meant = f"override /{holding[0]}: {name}" if holding else nearest(name, names)
        problems.append(self._problem("defaults", f"there is no config {path}.yaml", written, meant))

    def _problem(self, key: str, what: str, value: object, near: str | None = None) -> Problem:
        return Problem(key, what, value, f"{self.config}.yaml", near)
