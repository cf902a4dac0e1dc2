"""Texts as an EXIF comment and an XMP packet, and the recipe read back out of such a packet."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from typing import Any

from tcdflow.spec.formats import MAX_RECIPE, Texts

XMP_NAMESPACE = "urn:tcdflow:xmp:1#"

MAX_PARTS = 65_536
"""Chunks, segments or boxes of an untrusted file that are looked through."""

_XMP_RECIPE = re.compile(rb"\btcdflow:recipe(?:=[\"']|>)([A-Za-z0-9+/=\s]+)")
"""As an attribute, as it is written, or as an element, as tools leave it that rewrite a packet."""


def exif_and_xmp(texts: Texts | None, limit: int | None = None) -> tuple[dict[str, Any], bool]:
    """Return Pillow's ``exif`` and ``xmp`` arguments, and whether the recipe is in them.

    Args:
        texts: what to carry, if anything.
        limit: bytes that each may have; what is longer is left out. None: any number.
    """
    if texts is None:
        return {}, False
    arguments = {"exif": _exif(texts.parameters), "xmp": _xmp(texts.recipe)}
    kept = {name: data for name, data in arguments.items() if limit is None or len(data) <= limit}
    return kept, "xmp" in kept


def recipe_in_xmp(packet: bytes) -> bytes | None:
    """Return the recipe in an untrusted XMP packet, if there is one.

    Raises:
        ValueError: if it is damaged.
    """
    # A pattern and no XML parser: there is one word of base64 to find, and no entity to expand.
    found = _XMP_RECIPE.search(packet)
    return inflated(base64.b64decode(found[1])) if found else None


def inflated(data: bytes) -> bytes:
    """Return what zlib compressed, of which no more than a byte over :data:`MAX_RECIPE` is unpacked.

    Raises:
        ValueError: if it is damaged.
    """
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAX_RECIPE + 1)
    except zlib.error as error:
        raise ValueError(f"its recipe is damaged: {error}") from None
    if len(text) <= MAX_RECIPE and not unpacker.eof:
        raise ValueError("its recipe is cut short")
    return text


def _exif(text: str) -> bytes:
    # By hand, since Pillow types the comment as BYTE and readers ask for UNDEFINED (7): one directory that holds
    # nothing but the pointer to the EXIF directory, which holds nothing but UserComment.
    comment = b"UNICODE\0" + text.encode("utf-16-be")
    first = struct.pack(">HHHIII", 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack(">HHHIII", 1, 0x9286, 7, len(comment), 44, 0)
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + first + second + comment


def _xmp(recipe: str) -> bytes:
    packed = base64.b64encode(zlib.compress(recipe.encode("utf-8"), 9)).decode("ascii")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:tcdflow="{XMP_NAMESPACE}" tcdflow:recipe="{packed}"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()
