"""Tokens and variables of the environment are used, and written nowhere."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tcdflow import embedded
from tcdflow.cli.command import dispatch
from tests.helpers import python
from tests.hub import TOKEN, FaultKind, StandInHub
from tests.hub.fixtures import hub

__all__ = ["hub"]

VARIABLES = {
    "HF_TOKEN": TOKEN,
    "AWS_SECRET_ACCESS_KEY": "planted-key-of-a-cloud",
    "TCDFLOW_TEST_SECRET": "planted-variable",
}
FILED = "hf_plantedTokenOfAFile"
LOGIN = "planted-password"
SECRETS = (*VARIABLES.values(), FILED, LOGIN, "planted-signature")

PRIVATE = ["base.source=o/private", "sampling.steps=1"]
REQUESTS = [
    (0, [*PRIVATE, "hydra.run.dir=png"]),
    (0, [*PRIVATE, "hydra.run.dir=jpeg", "output.format=jpeg"]),
    (0, [*PRIVATE, "hydra.run.dir=webp", "output.format=webp"]),
    (1, [*PRIVATE, "hydra.run.dir=failed", "prompt=fail"]),
    (1, ["-m", *PRIVATE, "prompt=fox,fail", "hydra.sweep.dir=sweep"]),
    (1, ["resume", "sweep", "--retry-failed"]),
    (0, ["rerun", "png/000.png", "hydra.run.dir=again"]),
    (0, ["rerun", "--verify", "jpeg"]),
    (0, ["check", *PRIVATE]),
    (0, ["--cfg", "all", *PRIVATE]),
    (2, ["base.source=o/nowhere"]),
    (2, ["prompt=${oc.env:TCDFLOW_TEST_SECRET}"]),
    (2, [f"base.source=https://me:{LOGIN}@example.invalid/x.safetensors"]),
    (2, [f"runtime.device=https://me:{LOGIN}@example.invalid/x?X-Signature=planted-signature&a=b"]),
    (2, ["task=image_to_image", f"task.image=https://me:{LOGIN}@example.invalid/x.png"]),
    (2, ["task=image_to_image", "task.image=https://example.invalid/x.png?token=planted-signature"]),
    (2, ["rerun", f"https://me:{LOGIN}@example.invalid/x.png"]),
]

# Answers one request after the other; the engine fails where the prompt says so.
HARNESS = """
import json, sys
from tcdflow.cli.command import dispatch
from tcdflow.engine.engine import Engine
together = Engine.run_together
def run_together(self, specs, *rest):
    if any(spec.prompt == "fail" for spec in specs):
        raise RuntimeError("it fails")
    return together(self, specs, *rest)
Engine.run_together = run_together
print(json.dumps([dispatch(argv) for argv in json.loads(sys.argv[1])]))
"""


def forms(secret: str) -> set[bytes]:
    """A secret as it may stand in a file: as text, in base64 at any of its three offsets, in hexadecimal."""
    data = secret.encode()
    encoded = {base64.b64encode(b"\0" * n + data)[4 if n else 0 : -4] for n in range(3)}
    return {data, secret.encode("utf-16-be"), secret.encode("utf-16-le"), data.hex().encode(), *encoded}


def layers(data: bytes) -> Iterator[bytes]:
    """Bytes, and what is compressed within them: chunks of a PNG, and words of base64 as in an XMP packet."""
    yield data
    if data.startswith(b"\x89PNG"):
        at = 8
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            if data[at + 4 : at + 8] in (b"iTXt", b"zTXt"):
                body = data[at + 8 : at + 8 + length]
                for start in (m.start() for m in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", body)):
                    try:
                        yield zlib.decompressobj().decompress(body[start:])
                        break
                    except zlib.error:
                        continue
            at += length + 12
    for word in re.findall(rb"[A-Za-z0-9+/]{80,}={0,2}", data):
        try:
            yield zlib.decompress(base64.b64decode(word))
        except (zlib.error, ValueError):
            continue


def leaks(root: Path, secrets: tuple[str, ...], *, besides: Path | None = None) -> list[str]:
    files = [path for path in sorted(root.rglob("*")) if path.is_file() and path != besides]
    needles = {form for secret in secrets for form in forms(secret)}
    return [
        path.relative_to(root).as_posix()
        for path in files
        if any(needle in layer for layer in layers(path.read_bytes()) for needle in needles)
    ]


def test_nothing_is_written_or_said(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_text(FILED)
    with StandInHub() as running:
        running.add("o/private", embedded.model_path("emoji"), private=True)
        env = {**running.environ(tmp_path / "hf"), **VARIABLES, "TCDFLOW_CACHE": str(tmp_path / "cache")}
        argvs = json.dumps([argv for _, argv in REQUESTS])
        done = python("-c", HARNESS, argvs, cwd=tmp_path / "here", env={**env, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [status for status, _ in REQUESTS], done.stderr
    said = done.stdout + done.stderr
    assert not [secret for secret in SECRETS if secret in said]
    assert leaks(tmp_path, SECRETS, besides=tmp_path / "hf/token") == []
    # What is looked through is all of it, the inside of images too.
    where = leaks(tmp_path / "here", ("embedded:emoji/tcd_lora",))
    pictures = {"png/000.png", "jpeg/000.jpg", "webp/000.webp", "again/000.png"}
    assert {*pictures, "png/run.json", "failed/run.json", "sweep/plan.json", "png/.hydra/config.yaml"} <= set(where)


@pytest.mark.parametrize("kind", ["unauthorized", "forbidden", "gated", "no repo", "too many", "error 500", "web page"])
def test_the_password_of_an_endpoint_is_not_said(
    kind: FaultKind, hub: StandInHub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint.replace("://", f"://me:{LOGIN}@"))
    hub.fail(kind)
    assert dispatch(["check", "base.source=o/sd"]) == 2
    said = "".join(capfd.readouterr())
    assert "base.source" in said
    assert LOGIN not in said
