"""The stand-in itself: its repositories, its faults, and the requests that it was asked."""

from __future__ import annotations

import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from .faults import Fault, FaultKind
from .handler import Handler, Request
from .repos import Repo, Tree, etag, is_lfs


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that was killed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class StandInHub:
    """The hub. Use it as a context manager; ``endpoint`` is its address."""

    def __init__(self, page_size: int = 1000) -> None:
        self.page_size = page_size
        self.repos: dict[str, Repo] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> StandInHub:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop answering; connections are refused from here on."""
        self.closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environ(self, home: Path) -> dict[str, str]:
        """Return the variables that point another process's client at the stand-in, with its cache under home."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DOWNLOAD_TIMEOUT": "2",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def add(
        self, name: str, files: Tree | Path, *, private: bool = False, gated: bool = False, xet: bool = False
    ) -> Repo:
        """Add a repository whose main branch holds the files, or the files of a folder."""
        self.repos[name] = Repo(name, private, gated, xet)
        self.repos[name].commit(files)
        return self.repos[name]

    def fail(self, kind: FaultKind, where: str = "", times: int | None = None) -> None:
        """Fail requests whose ``METHOD /path`` matches the pattern, so many times or until ``heal``."""
        self.faults.append(Fault(kind, where, times))

    def heal(self) -> None:
        """End all faults."""
        self.faults.clear()

    def downloaded(self) -> list[str]:
        """Return the names of the files that were sent, each time they were."""
        return [r.headers["x-name"] for r in self.requests if r.method == "GET" and "x-name" in r.headers]

    def note(self, request: Request) -> Fault | None:
        """Write a request down, and return the fault that strikes it."""
        if request.path == "/api/agent-harnesses":  # the client's own affair, asked once a day
            return None
        with self._lock:
            self.requests.append(request)
            return next((fault for fault in self.faults if fault.strikes(request.method, request.path)), None)

    def blob(self, digest: str) -> tuple[str, bytes] | None:
        """Return name and bytes of an LFS file by its hash."""
        for repo in self.repos.values():
            for tree in repo.commits.values():
                for name, content in tree.items():
                    if is_lfs(name) and etag(name, content) == digest:
                        return name, content
        return None
