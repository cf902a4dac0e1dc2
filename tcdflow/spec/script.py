"""What a part writes into a plain diffusers script, which ``tcdflow show --python`` puts together.

A part knows how it is made and what it gives to the pipeline, so it also says how that is written by hand. Texts of a
spec enter a script by :func:`literal` alone: a record may be untrusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tcdflow.errors import ConfigError, Problem

if TYPE_CHECKING:
    from tcdflow.spec.inputs import ImageUse, Size
    from tcdflow.spec.preprocessor import Preprocessor

WIDTH = 100
"""Columns beyond which a call is written with an argument a line."""


@dataclass
class Lines:
    """What one or several parts write, by where it stands in a script. The pipeline is ``pipe`` there.

    Attributes:
        imports: names by the module that they come from; none for a module that is imported as it is.
        models: statements that load models for the pipeline.
        options: keyword arguments with which the pipeline is loaded, as expressions.
        attach: statements once it is loaded, before LoRAs.
        configure: statements after LoRAs.
        inputs: statements that load and prepare images.
        call: keyword arguments of the pipeline's call, as expressions.
        per_image: those of them that a batch is given once for each of its images.
        notes: comments on keyword arguments, by their names.
        finish: statements on each ``result`` that comes out.
    """

    imports: dict[str, set[str]] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    attach: list[str] = field(default_factory=list)
    configure: list[str] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    call: dict[str, str] = field(default_factory=dict)
    per_image: set[str] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)
    finish: list[str] = field(default_factory=list)

    def use(self, module: str, *names: str) -> None:
        """Import names of a module, or the module."""
        self.imports.setdefault(module, set()).update(names)

    def add(self, other: Lines) -> None:
        """Add what another part writes."""
        for module, names in other.imports.items():
            self.use(module, *names)
        for mine, theirs in ((self.options, other.options), (self.call, other.call), (self.notes, other.notes)):
            mine.update(theirs)
        self.per_image |= other.per_image
        self.models += other.models
        self.attach += other.attach
        self.configure += other.configure
        self.inputs += other.inputs
        self.finish += other.finish


class ScriptFiles(Protocol):
    """How the files of a run are named in its script."""

    def model(self, module: str, name: str, role: str, variable: str, lines: Lines) -> str:
        """Write what loads a model from its folder or single file, and return its variable.

        Args:
            module: that the class is imported from.
            name: of the class.
            role: of the model's files.
            variable: that it is to be.
            lines: gets the statements and imports.
        """

    def place(self, role: str) -> dict[str, str]:
        """Return where a folder or weight file is, as arguments of the libraries' loaders.

        The folder or hub id is ``*``, the positional one; ``subfolder``, ``weight_name`` of a file and ``revision``
        follow where there are.
        """

    def image(self, use: ImageUse, variable: str, lines: Lines) -> None:
        """Load an input image into a variable, as the run uses it."""

    def control(self, use: ImageUse, how: Preprocessor | None, key: str, variable: str, lines: Lines) -> None:
        """Make a control image in a variable.

        Args:
            use: of the image that it is made from.
            how: makes it; None takes it as given.
            key: of the preprocessor in the spec.
            variable: name of the image.
            lines: gets all of it.
        """

    @property
    def size(self) -> Size:
        """Width and height of the run in pixels."""


def cannot_write(key: str, what: str) -> ConfigError:
    """Return the error of what has no few lines in plain diffusers.

    Args:
        key: of the spec.
        what: cannot be written, by name.
    """
    return ConfigError([Problem(key, f"--python cannot write {what} yet; tcdflow rerun makes the image again")])


def call(head: str, arguments: Mapping[str, str], notes: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines of a call, on one line if it fits.

    Args:
        head: up to the parenthesis.
        arguments: expressions by keyword; a keyword that begins with ``*`` is a positional argument.
        notes: comments by keyword.
    """
    notes = notes or {}
    texts = {name: text if name.startswith("*") else f"{name}={text}" for name, text in arguments.items()}
    whole = f"{head}({', '.join(texts.values())})"
    if len(whole) <= WIDTH and not notes.keys() & arguments.keys():
        return [whole]
    return [f"{head}(", *(f"    {text},{comment(notes.get(name))}" for name, text in texts.items()), ")"]


def comment(text: str | None) -> str:
    """Return a comment at the end of a line; nothing for None."""
    return f"  # {text}" if text else ""


def literal(value: object) -> str:
    """Return a value of a spec as Python: its :func:`repr`, in double quotes where that is the same text."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(key)}: {literal(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def one_or_list(expressions: Sequence[str]) -> str:
    """Return one expression as it is, and several as a list of them."""
    return expressions[0] if len(expressions) == 1 else f"[{', '.join(expressions)}]"


def variable(kind: str, name: str) -> str:
    """Return a variable for what a spec calls ``name``; two names that differ in ``-`` and ``_`` alone are refused."""
    return f"{kind}_{name.replace('-', '_')}"
