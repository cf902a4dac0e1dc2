"""The page of a gallery: one HTML file that holds its data, its styles and its script.

Nothing of the data is read as HTML: it is JSON, and the script shows it as text alone. A Content-Security-Policy allows
this very script and style by their hashes, and images and videos beside the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files

import jinja2

from tcdflow.gallery.data import Data

STYLES = ("base", "grid", "views")
SCRIPTS = (
    "dom",
    "data",
    "state",
    "ratings",
    "commands",
    "filter",
    "layout",
    "colour",
    "grid",
    "toolbar",
    "stage",
    "single",
    "panel",
    "plots",
    "blind",
    "keys",
    "main",
)
"""In the order in which they are run; they share one scope."""

_UNSAFE = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"} | {
    one: f"\\u{one:04x}" for one in range(0xD800, 0xE000)
}
"""What would end a script, or is no character by itself."""


def html(data: Data) -> str:
    """Make the page.

    Args:
        data: What it shows. Its ``title`` names the page.

    Returns:
        The HTML document. It asks for nothing but the images and thumbnails that the data name.
    """
    style, script = _read("css", STYLES), f"(() => {{\n'use strict';\n{_read('js', SCRIPTS)}}})();\n"
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
        "img-src 'self' file: data:; media-src 'self' file: data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    )
    return _template().render(
        title=data["title"].encode("utf-8", "replace").decode(),
        policy=policy,
        style=style,
        script=script,
        data=_json(data),
    )


def _json(data: Data) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_UNSAFE)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _read(kind: str, names: tuple[str, ...]) -> str:
    """The files of a kind, one after the other, without the comments that fill a line and without indentation."""
    folder = files(__package__) / kind
    text = "".join((folder / f"{name}.{kind}").read_text("utf-8") for name in names)
    return re.sub(r"^ *(//.*\n|/\*.*\*/\n)?", "", text, flags=re.MULTILINE)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string((files(__package__) / "page.html").read_text("utf-8"))
