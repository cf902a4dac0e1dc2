"""The paths that ``huggingface_hub`` 2.4 asks for, and the faults of the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from .faults import STATUS, FaultKind
from .repos import Repo, etag, is_lfs

if TYPE_CHECKING:
    from .server import StandInHub

TOKEN = "hf_standinTokenOfTheTests"
_PIECES, _PAUSE = 16, 0.01


@dataclass(frozen=True)
class Request:
    """A request that the stand-in was asked."""

    method: str
    path: str
    headers: Mapping[str, str]


class Handler(BaseHTTPRequestHandler):
    """Answers one connection; ``hub`` is the stand-in that it speaks for."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is sent in one piece: in two, each would wait for the acknowledgement of the first
    disable_nagle_algorithm = True
    hub: StandInHub
    fault: FaultKind | None

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        found = self._find_file(parts)
        headers = {key.lower(): value for key, value in self.headers.items()}
        if found and (parts[0] == "cdn" or not is_lfs(found[0])):
            headers["x-name"] = found[0]
        fault = self.hub.note(Request(self.command, url.path, headers))
        self.fault = fault.kind if fault else None
        if self.fault in STATUS:
            self._refuse(self.fault)
        elif self.fault == "hang":
            self.hub.closing.wait(20)
            self.close_connection = True
        elif self.fault == "web page":
            self._send(200, b"<html>Please log in to the network</html>", {"Content-Type": "text/html"})
        elif parts[0] == "cdn" and found:
            self._send_file(found[1], {"ETag": f'"{parts[1]}"'})
        elif parts[:2] == ["api", "models"] and len(parts) >= 4:
            self._api("/".join(parts[2:4]), parts[4:], parse_qs(url.query))
        elif len(parts) >= 5 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), unquote(parts[3]), unquote("/".join(parts[4:])))
        else:
            self._refuse("no repo")

    def _find_file(self, parts: list[str]) -> tuple[str, bytes] | None:
        """Return name and bytes of the file that a path is about."""
        if parts[0] == "cdn" and len(parts) == 2:
            return self.hub.blob(parts[1])
        if len(parts) >= 5 and parts[2] == "resolve" and (repo := self.hub.repos.get("/".join(parts[:2]))):
            sha, name = repo.find(unquote(parts[3])), unquote("/".join(parts[4:]))
            if sha and name in repo.commits[sha]:
                return name, repo.commits[sha][name]
        return None

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repo(self, name: str) -> Repo | None:
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self._known()):
            self._refuse("no repo")
            return None
        return repo

    def _api(self, name: str, rest: list[str], query: dict[str, list[str]]) -> None:
        if (repo := self._repo(name)) is None:
            return
        kind, revision = (rest[0] if rest else "revision"), unquote(rest[1] if len(rest) > 1 else "main")
        if (sha := repo.find(revision)) is None:
            self._refuse("no revision")
        elif kind == "revision":
            self._send_json(repo.info(sha))
        elif kind == "refs":
            self._send_json(repo.names())
        elif kind == "commits":
            shas = [known for known in repo.commits if known == sha]
            self._send_json([{"id": s, "title": "", "message": "", "date": "2024-01-01T00:00:00.000Z", "authors": []}
                             for s in shas])  # fmt: skip
        elif kind == "tree":
            entries = repo.listing(sha, unquote("/".join(rest[2:])))
            if query.get("recursive", ["false"])[0].lower() != "true":
                entries = [entry for entry in entries if "/" not in entry["path"]]
            start = int(query.get("cursor", ["0"])[0])
            end = start + self.hub.page_size
            more = {}
            if end < len(entries):
                page = f"{self.hub.endpoint}{urlsplit(self.path).path}?recursive=true&cursor={end}"
                more = {"Link": f'<{page}>; rel="next"'}
            self._send_json(entries[start:end], more)
        else:
            self._refuse("no entry")

    def _resolve(self, repo_name: str, revision: str, name: str) -> None:
        if (repo := self._repo(repo_name)) is None:
            return
        sha = repo.find(revision)
        if sha is None:
            self._refuse("no revision")
        elif repo.gated and not self._known():
            self._refuse("gated")
        elif name not in repo.commits[sha]:
            self._refuse("no entry", {"X-Repo-Commit": sha})
        else:
            content = repo.commits[sha][name]
            headers = {"X-Repo-Commit": sha, "ETag": f'"{etag(name, content)}"'}
            if is_lfs(name):
                # The real one sends large files from another host; "localhost" is another name here.
                headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(content))}
                if repo.xet:
                    headers |= {"X-Xet-Hash": etag(name, content), "X-Xet-Refresh-Route": f"{self.hub.endpoint}/xet"}
                headers |= {"Location": f"http://localhost:{self.hub.port}/cdn/{quote(etag(name, content))}"}
                self._send(302, b"", headers)
            else:
                self._send_file(content, headers)

    def _send_file(self, content: bytes, headers: dict[str, str]) -> None:
        if self.command == "GET" and self.fault == "other bytes":
            content = bytes(byte ^ 1 for byte in content)
        if self.command == "GET" and self.fault == "fewer bytes":
            content = content[:-1]
        status, headers = 200, {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **headers}
        if asked := self.headers.get("Range"):
            start, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(end) if end else len(content), len(content) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            status, content = 206, content[first : last + 1]
        self._send(status, content, headers)

    def _send_json(self, value: object, headers: dict[str, str] | None = None) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _refuse(self, kind: FaultKind, headers: dict[str, str] | None = None) -> None:
        status, code, message = STATUS[kind]
        extra = {"X-Error-Message": message, "Content-Type": "application/json", **(headers or {})}
        if code:
            extra["X-Error-Code"] = code
        self._send(status, json.dumps({"error": message}).encode(), extra)

    def _send_slowly(self, body: bytes) -> bytes:
        """Send all of a body but its last piece."""
        size = max(1, len(body) // _PIECES)
        while len(body) > size:
            self.wfile.write(body[:size])
            self.wfile.flush()
            self.hub.closing.wait(_PAUSE)
            body = body[size:]
        return body

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                half = self.fault in ("close", "stall")
                if self.fault == "slow":
                    body = self._send_slowly(body)
                self.wfile.write(body[: len(body) // 2] if half else body)
                if self.fault == "stall":
                    self.wfile.flush()
                    self.hub.closing.wait(20)
                self.close_connection = self.close_connection or half
            self.wfile.flush()
        except OSError:  # the client has gone
            self.close_connection = True
