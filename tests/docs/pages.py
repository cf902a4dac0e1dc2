"""The README and the pages of ``docs/``, as text: their blocks of code, commands, links and names of files."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Page:
    """A page of Markdown."""

    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    def blocks(self, language: str) -> list[str]:
        """Return the contents of its code blocks. ``bash`` is run by the tests, ``sh`` is not."""
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL)

    def commands(self) -> list[list[str]]:
        """Return the arguments of each tcdflow command to be run, in order."""
        lines = [line for block in self.blocks("bash") for line in block.replace("\\\n", "").splitlines()]
        return [shlex.split(line)[1:] for line in lines if line.startswith("tcdflow ")]

    def answers(self) -> list[tuple[list[str], str]]:
        """Return the arguments of each command whose answer is shown, and the answer."""
        shown = [block.partition("\n") for block in self.blocks("console")]
        return [(shlex.split(command)[2:], answer) for command, _, answer in shown]

    def listings(self) -> list[tuple[str, str]]:
        """Return name and text of each file that is shown whole: its name in backquotes and a colon, then its text."""
        return re.findall(r"^`([\w.]+/[\w./]+)`:\n\n```\w+\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL)

    def links(self) -> list[str]:
        """Return the targets of its links within the repository."""
        return [link for link in re.findall(r"\]\(([^)]+)\)", self.text) if not link.startswith("http")]

    def sections(self) -> set[str]:
        """Return its headings as links name them."""
        headings = re.findall(r"^#+ (.+)$", self.text, re.MULTILINE)
        return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def named_files(self) -> set[str]:
        """Return each path below a directory of the repository that it names, in text or in a command."""
        return set(re.findall(r"(?<![\w./-])(?:tests|tcdflow|conf|docs)/[\w./-]*\w", self.text))

    def named_targets(self) -> set[str]:
        """Return the targets of make that it names."""
        return set(re.findall(r"(?:^|`)make ([a-z]+)\b", self.text, re.MULTILINE))


README = Page(ROOT / "README.md")
_BUILT = ROOT / "docs/_build"
_DOCS = [Page(path) for path in sorted((ROOT / "docs").rglob("*.md")) if _BUILT not in path.parents]
INDEX = Page(ROOT / "docs/index.md")
LANGUAGES = [Page(ROOT / "README.zh.md"), Page(ROOT / "README.ko.md")]
PAGES = [README, *LANGUAGES, *_DOCS]
"""The README first: what it makes is there for the pages."""
