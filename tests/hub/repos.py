"""Repositories of the stand-in: commits that hold whole trees of files, and the names that point at them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LFS = (".safetensors", ".bin", ".ckpt", ".pt")
"""Endings of files that the hub keeps in LFS, with their SHA-256; others are in git, with its hash."""

Tree = Mapping[str, bytes]


def read_folder(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def is_lfs(name: str) -> bool:
    return name.endswith(LFS)


def etag(name: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if is_lfs(name) else git_hash(content)


@dataclass
class Repo:
    """A repository.

    ``private`` and ``gated`` ones want a token that the hub knows; large files of ``xet`` ones have a Xet hash.
    """

    name: str
    private: bool = False
    gated: bool = False
    xet: bool = False
    commits: dict[str, Tree] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Tree | Path, ref: str = "main") -> str:
        """Add a commit that holds just these files, move a branch, tag or ``refs/pr/N`` to it, and return its id."""
        tree = read_folder(files) if isinstance(files, Path) else dict(files)
        sha = hashlib.sha1(repr((self.name, len(self.commits), sorted(tree.items()))).encode()).hexdigest()
        self.commits[sha] = tree
        self.refs[ref] = sha
        return sha

    def find(self, revision: str) -> str | None:
        """Return the commit of a branch, tag, pull request, commit id or its beginning."""
        if revision in self.refs:
            return self.refs[revision]
        found = [sha for sha in self.commits if len(revision) >= 7 and sha.startswith(revision)]
        return found[0] if len(found) == 1 else None

    def info(self, sha: str) -> dict[str, Any]:
        siblings = [{"rfilename": name} for name in self.commits[sha]]
        return {"id": self.name, "modelId": self.name, "sha": sha, "private": self.private, "gated": self.gated,
                "disabled": False, "tags": [], "siblings": siblings}  # fmt: skip

    def listing(self, sha: str, under: str) -> list[dict[str, Any]]:
        """Return the entries of a tree, folders among them, in the hub's own form."""
        prefix = f"{under}/" if under else ""
        names = [name for name in self.commits[sha] if name.startswith(prefix)]
        folders = {parent.as_posix() for name in names for parent in Path(name).parents} - {".", under}
        entries = [{"type": "directory", "path": f, "oid": git_hash(f.encode()), "size": 0} for f in sorted(folders)]
        for name in names:
            content = self.commits[sha][name]
            entry: dict[str, Any] = {"type": "file", "path": name, "oid": git_hash(content), "size": len(content)}
            if is_lfs(name):
                pointer = b"version https://git-lfs.github.com/spec/v1\n" + etag(name, content).encode()
                entry["oid"] = git_hash(pointer)
                entry["lfs"] = {"oid": etag(name, content), "size": len(content), "pointerSize": len(pointer)}
            entries.append(entry)
        return entries

    def names(self) -> dict[str, list[dict[str, str]]]:
        """Return branches, tags and pull requests as ``/refs`` gives them."""

        def of(kind: str, refs: list[str]) -> list[dict[str, str]]:
            return [{"name": r, "ref": r if r.startswith("refs/") else f"refs/{kind}/{r}",
                     "targetCommit": self.refs[r]} for r in refs]  # fmt: skip

        tags = [ref for ref in self.refs if ref.startswith("v")]
        pulls = [ref for ref in self.refs if ref.startswith("refs/pr/")]
        branches = [ref for ref in self.refs if ref not in tags and ref not in pulls]
        return {"branches": of("heads", branches), "converts": [], "tags": of("tags", tags),
                "pullRequests": of("pr", pulls)}  # fmt: skip
