"""Texts in the form that each file format keeps them: PNG chunks, an EXIF comment, an XMP packet."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from PIL.PngImagePlugin import PngInfo

from tcdflow.files.lock import LockedFile
from tcdflow.record.a1111 import parameters
from tcdflow.record.recipe import recipe_json
from tcdflow.spec.batch import Batch
from tcdflow.spec.model import RunSpec

CHUNK = "tcdflow"
"""Keyword of the compressed iTXt chunk with spec and lock."""

MAX_PNG_TEXT = 1_000_000
"""Bytes of text in a PNG: with more than 1 MiB in a chunk Pillow, and who builds on it, refuses to open a file."""

MAX_SEGMENT = 65_000
"""Bytes of EXIF or XMP in a JPEG, whose segments hold 65,533 with their headers."""

XMP_NAMESPACE = "urn:tcdflow:xmp:1#"


@dataclass(frozen=True)
class Carried:
    """What one image carries.

    Attributes:
        parameters: the A1111 text.
        recipe: the JSON text that :mod:`tcdflow.record.metadata` reads back.
    """

    parameters: str
    recipe: str

    @classmethod
    def of(cls, spec: RunSpec, lock: Sequence[LockedFile], seed: int, batch: Batch | None = None) -> Carried:
        """Return the texts for one seed of a run, and of what it shared its call with."""
        return cls(parameters(spec, lock, seed), recipe_json(spec, lock, seed, batch))


def png_info(carried: Carried) -> tuple[PngInfo, bool]:
    """Return the text chunks of a PNG, and whether the recipe is in them: a longer one belongs beside it."""
    info = PngInfo()
    if len(carried.parameters) <= MAX_PNG_TEXT // 4:
        info.add_text("parameters", carried.parameters)
    inside = len(carried.recipe.encode("utf-8")) <= MAX_PNG_TEXT
    if inside:
        info.add_itxt(CHUNK, carried.recipe, zip=True)
    return info, inside


def exif_and_xmp(carried: Carried, limit: int | None = None) -> tuple[dict[str, bytes], bool]:
    """Return Pillow's ``exif`` and ``xmp`` arguments, and whether the recipe is in them.

    Args:
        carried: the texts.
        limit: bytes that each may have; what is longer is left out. None: any number.
    """
    arguments = {"exif": _exif(carried.parameters), "xmp": _xmp(carried.recipe)}
    kept = {name: data for name, data in arguments.items() if limit is None or len(data) <= limit}
    return kept, "xmp" in kept


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
