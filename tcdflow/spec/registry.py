"""Parts by name: schedulers, adapters, output formats and so on, each in one file below ``tcdflow.parts``.

A registry imports the files of its package when it is first asked, so that a new part is one new file and nothing else
has to name it. What is derived from the parts (the unions of :class:`~tcdflow.spec.model.RunSpec`, validation, ``ls``,
schemas, completion) asks the registry.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

T = TypeVar("T")


class Registry(Generic[T]):
    """The parts of one kind.

    Args:
        kind: what they are, for messages: ``"scheduler"``.
        package: dotted name of the package, or of the one module, whose import registers them.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._parts: dict[str, T] = {}
        self._names: tuple[str, ...] = ()
        self._loaded = False

    def add(self, name: str, part: T) -> T:
        """Register a part.

        Raises:
            ValueError: if the name is taken.
        """
        if name in self._parts:
            raise ValueError(f"two parts of kind {self.kind} are called {name!r}")
        self._parts[name] = part
        self._names = tuple(sorted(self._parts))
        return part

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers a class as a part."""
        return lambda part: self.add(name, part)

    @contextmanager
    def including(self, name: str, part: T) -> Iterator[T]:
        """Register a part for a while, as tests do. Models with this registry's unions have to be rebuilt."""
        self._load()
        self.add(name, part)
        try:
            yield part
        finally:
            del self._parts[name]
            self._names = tuple(sorted(self._parts))

    def __getitem__(self, name: str) -> T:
        self._load()
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._names)

    def items(self) -> list[tuple[str, T]]:
        """Return names and parts, by name."""
        return [(name, self._parts[name]) for name in self]

    def values(self) -> list[T]:
        """Return the parts, by name."""
        return [self._parts[name] for name in self]

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        module = import_module(self._package)
        for found in pkgutil.iter_modules(getattr(module, "__path__", ())):
            if not found.name.startswith("_"):  # what parts share
                import_module(f"{self._package}.{found.name}")


@dataclass(frozen=True)
class NameOf:
    """Annotation of a text field that holds the name of a part: ``Annotated[str, NameOf(IMAGE_FORMATS)]``."""

    registry: Registry[Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Not a literal schema: the registry is asked when a value is there, so that defining a model loads no part.
        return core_schema.no_info_plain_validator_function(self._known)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.registry)}

    def _known(self, value: object) -> Any:
        return known(self.registry, value)


@dataclass(frozen=True)
class NamesOf(NameOf):
    """Annotation of a field that holds names of parts, each once, and takes one alone: ``clip`` or ``[clip, ssim]``."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        one = super().__get_pydantic_json_schema__(schema, handler)
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]}

    def _known(self, value: object) -> Any:
        names = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not names or len(set(map(str, names))) < len(names):
            raise ValueError("must be a name or a list of names, each once")
        return tuple(known(self.registry, name) for name in names)


def known(registry: Registry[Any], value: object) -> str:
    """Return the name of a part.

    Raises:
        PydanticKnownError: if no part has it, with those that there are.
    """
    if isinstance(value, str) and value in registry:
        return value
    *most, last = map(repr, registry)
    raise PydanticKnownError("literal_error", {"expected": f"{', '.join(most)} or {last}" if most else last})


@dataclass(frozen=True)
class OneOf:
    """Annotation of a field that holds the settings of one part: ``Annotated[Scheduler, OneOf(SCHEDULERS, "name")]``.

    Attributes:
        registry: of classes, each a subclass of the annotated type.
        discriminator: the field that tells them apart by the part's name.
    """

    registry: Registry[Any]
    discriminator: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {name: handler.generate_schema(part) for name, part in self.registry.items()}
        return core_schema.tagged_union_schema(choices, discriminator=self.discriminator)
