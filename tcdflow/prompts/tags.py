"""What people write in prompts that a prompt does not do by itself: tags of LoRAs, weights, wildcards."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from tcdflow.text import in_quotes, shortened

_TAG = re.compile(r"<(lora|lyco|hypernet):([^:<>]+)((?::[^<>]*)?)>", re.IGNORECASE)
_NUMBER = re.compile(r"^:([+-]?(?:\d+\.?\d*|\.\d+))(?:$|:)")
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")

_AMOUNT = r"\s*[+-]?\d{0,6}\.?\d{1,6}\s*"
_OFF = (
    (
        re.compile(rf"\([^()]*:{_AMOUNT}\)|\(\([^()]*\)\)|\[\[[^\[\]]*\]\]"),
        "prompt_encoding.weights=a1111",
    ),
    (
        re.compile(r"(?<!\w)\w+(?:\+\+|--)(?!\w)|\)(?:\+|-|\d{0,6}\.\d)"),
        "prompt_encoding.weights=compel",
    ),
)
_BREAK = re.compile(r"(?<!\S)BREAK(?!\S)")
_WILDCARD = re.compile(r"(?<!\w)__[^\W_][\w/-]*?__(?!\w)|\{[^{}|]*\|[^{}]*\}")
_EMBEDDING = re.compile(r"(?<!\w)embedding:([^\s,:()<>\[\]]+)", re.IGNORECASE)
_EDITING = re.compile(rf"\[[^\[\]:|]*(?::[^\[\]:|]*:{_AMOUNT}|\|[^\[\]]*)\]|(?<!\S)AND(?!\S)")


def without_lora_tags(text: str) -> str:
    """Return a prompt without tags such as ``<lora:name:0.8>``."""
    return _TAG.sub("", text)


def lora_weights(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and weight of each LoRA that a prompt names by a tag, the weight as it stands there."""
    for tag in _TAG.finditer(text):
        if tag[1].lower() != "hypernet":
            yield tag[2].strip(), number[1] if (number := _NUMBER.match(tag[3])) else "1"


def as_name(text: str) -> str:
    """Return what a LoRA that another tool names can be called here."""
    name = _NO_NAME.sub("_", text.strip()).strip("_-")[:58]
    return name if name[:1].isalpha() else f"lora_{name}"


def lora_tags(text: str, loras: Collection[str]) -> Iterator[str]:
    """Yield what to write in the place of each tag.

    Args:
        text: a prompt.
        loras: names of those that are loaded.
    """
    for tag in _TAG.finditer(text):
        shown = f"{in_quotes(tag[0])} loads nothing and is read as words; "
        if tag[1].lower() == "hypernet":
            yield shown + "remove it: hypernetworks are not supported"
            continue
        name = as_name(tag[2])
        if name in loras:
            yield shown + f"{name} is in the stack already, with loras.{name}.weight; remove the tag"
            continue
        weight = number[1] if (number := _NUMBER.match(tag[3])) else "1"
        stack = ",".join([*loras, name])
        yield shown + (
            f"write loras.{name}.source=FILE loras.{name}.weight={weight} in its place, or loras=[{stack}] where "
            f"{name} is one of tcdflow ls loras"
        )


def unread(text: str, *, weights: str, breaks: bool) -> Iterator[str]:
    """Yield what looks like syntax and is taken as text, with the key that has it read.

    Args:
        text: a prompt, its tags of LoRAs included.
        weights: the grammar of weights that is on.
        breaks: whether ``BREAK`` is read.
    """
    plain = without_lora_tags(text)
    if weights == "none":
        for syntax, key in _OFF:
            if found := syntax.search(plain):
                yield f"{in_quotes(found[0])} is read as text and weighs nothing; {key} turns weights on"
    if found := _EMBEDDING.search(plain):
        name = shortened(found[1].removesuffix(".safetensors").removesuffix(".pt"), 40)
        yield (
            f"{in_quotes(found[0])} is read as words; write {name} alone, and give its file as embeddings.NAME.source "
            f"with embeddings.NAME.token={name}"
        )
    if weights == "a1111" and (found := _EDITING.search(plain)):
        yield f"{in_quotes(found[0])} is not read as the web UI does: prompts are neither switched nor joined"
    if not breaks and _BREAK.search(plain):
        yield "BREAK is read as a word; prompt_encoding.long=chunk has it begin a chunk"
    if found := _WILDCARD.search(plain):
        yield f"{in_quotes(found[0])} is read as text; a sweep with sweep.wildcards fills it in"
