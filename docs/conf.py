"""How Sphinx makes the site: ``make docs``. It needs no network, and a link that leads nowhere is an error."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent

project = "tcdflow"
copyright = "the tcdflow authors"
release = re.findall(r'__version__ = "(.+)"', (ROOT / "tcdflow/_version.py").read_text("utf-8"))[0]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
root_doc = "index"
# `#headings` are linked as GitHub links them, since the pages are read there too.
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["misc.highlighting_failure"]  # a `console` block holds what a command answered

html_theme = "furo"
html_title = f"tcdflow {release}"
html_static_path: list[str] = []
html_copy_source = False
# Pages that tcdflow itself has made: see make_site.py.
html_extra_path = [folder] if (folder := os.environ.get("TCDFLOW_SITE_EXTRA")) else []


def setup(app: Sphinx) -> None:
    """Lead from a page to what lies beside ``docs/`` by the page that includes it."""
    app.connect("source-read", _beside)


def _beside(_app: Sphinx, docname: str, source: list[str]) -> None:
    up = "../" * docname.count("/")
    source[0] = source[0].replace("](../SECURITY.md", f"]({up}security.md")
