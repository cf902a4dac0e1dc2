"""Addresses of web pages as sources: a page of the Hugging Face hub is a hub id, any other is a download to be made.

People copy what their browser shows: the page of a repository (``https://huggingface.co/owner/name``), of a folder
(``/tree/main/unet``), of a file (``/blob/main/x.safetensors``) or its download (``/resolve/main/x.safetensors``).
"""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, unquote, urlsplit

from tcdflow.errors import SourceError
from tcdflow.text import unsigned

_HUBS = ("huggingface.co", "hf.co", "hf-mirror.com")
_SITES = ("civitai.com", "civitai.red", "civitai.green", "tensor.art", "seaart.ai", "liblib.art", "modelscope.cn",
          "github.com", "drive.google.com", "mega.nz", "pixeldrain.com")  # fmt: skip
_NAMED = ("civitai:", "air:", "urn:air:")
"""How sites write the name of a model: ``urn:air:sdxl:lora:civitai:1234@5678``."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_REVISION = re.compile(r"(refs/[^/]+/[^/]+|[^/]+)(?:/(.*))?", re.DOTALL)
_DOWNLOAD = "tcdflow fetches weights from the Hugging Face hub alone; download the file first and give its path"


def is_address(text: str) -> bool:
    """Say whether a source text is the address of a web page, or a model site's name of a model."""
    return bool(_SCHEME.match(text)) or text.startswith(_NAMED) or _host(text.partition("/")[0]) in (*_HUBS, *_SITES)


def hub_id(text: str) -> str:
    """Return the hub id, ``owner/name[@revision][/path]``, of the address of a page or file of the hub.

    Raises:
        SourceError: if it is a page of another site, or shows no model; or carries a password or token.
    """
    if text.startswith(_NAMED):
        raise SourceError(f"names a model of a model site; {_DOWNLOAD}")
    if text.startswith("hf://"):
        return _of_path(text.removeprefix("hf://").removeprefix("models/").strip("/"))
    try:
        url = urlsplit(text if _SCHEME.match(text) else f"https://{text}")
        host = _host(url.hostname or "")
    except ValueError:
        raise SourceError("is not a valid address") from None
    if url.scheme.lower() not in ("http", "https") or host not in (*_HUBS, _own_hub()):
        raise SourceError(f"is an address of {host or url.scheme}; {_DOWNLOAD}")
    if unsigned(text) != text:
        raise SourceError("carries a password or token, which would be recorded; tokens belong in HF_TOKEN")
    return _of_url(url)


def _of_url(url: SplitResult) -> str:
    owner, name, kind, rest = (*url.path.strip("/").split("/", 3), "", "", "", "")[:4]
    if not owner or not name or owner in ("datasets", "spaces", "collections", "models", "docs"):
        raise SourceError("is not the page of a model; that is https://huggingface.co/owner/name")
    if not kind:
        return f"{owner}/{name}"
    if kind not in ("tree", "blob", "resolve", "raw", "commit", "blame", "edit") or not rest:
        raise SourceError(f"shows no files of the model; its id is {owner}/{name}")
    # A branch's own slash is escaped in it, that of a pull request need not be.
    found = _REVISION.fullmatch(rest)
    revision, inside = (unquote(found[1]), unquote(found[2] or "")) if found else ("", "")
    at = f"@{revision}" if revision != "main" else ""
    return f"{owner}/{name}{at}" + (f"/{inside.rstrip('/')}" if inside.strip("/") else "")


def _of_path(path: str) -> str:
    if path.startswith(("datasets/", "spaces/")):
        raise SourceError("is not a model: that is hf://owner/name")
    return unquote(path)


def _own_hub() -> str:
    """Return the host of the hub that HF_ENDPOINT names: a mirror, or that of a company."""
    try:
        return _host(urlsplit(os.environ.get("HF_ENDPOINT", "")).hostname or "")
    except ValueError:
        return ""


def _host(name: str) -> str:
    return name.lower().removeprefix("www.")
