"""diffusers-workflow: its server, met by HTTP as its page meets it, and by its own client."""

from __future__ import annotations

import itertools
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from tcdflow import embedded
from tests.benchmarks.peers.subject import Job
from tests.benchmarks.peers.work import ETAS, PROMPTS
from tests.benchmarks.spend import Spent, spend, started

_ANSWER = 60.0
"""Seconds that the server gets for an answer."""
_CLIENT = 1000
_ASK = 0.05
"""Seconds between questions whether a job has ended."""


class Server:
    """A server of its own, on a port of this machine that was free.

    Args:
        python: of its environment.
        folder: for its workspace, home and outputs.
        env: its variables.
    """

    def __init__(self, python: Path, folder: Path, env: Mapping[str, str]) -> None:
        self._bin = python.parent
        self._workspace = folder / "workspace"
        home = folder / "home"
        self._env = dict(env) | {"HOME": str(home), "HF_HUB_OFFLINE": "1"}
        self._process: subprocess.Popen[bytes] | None = None
        self._running = ExitStack()
        for made in (self._workspace / "workflows", home):
            made.mkdir(parents=True)
        (self._workspace / "workflows" / "cell.json").write_text(json.dumps(_workflow()))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def first(self, job: Job) -> Spent:
        """Start the server and make an image."""
        self._stop()
        start = time.perf_counter()
        self._start(job)
        self._make(job, job.prompt, job.seeds[0], 0.3)
        return Spent(time.perf_counter() - start, self._cpu())

    def again(self, job: Job) -> Spent:
        """Make an image on the running server."""
        start, before = time.perf_counter(), self._cpu()
        self._make(job, job.prompt, job.seeds[0], 0.3)
        return Spent(time.perf_counter() - start, self._cpu() - before)

    def cells(self, job: Job) -> Spent:
        """Make the sweep, a job for each cell, since it has none of its own.

        The server keeps the images of what it has made, and would give them for the work: the seeds are new.
        """
        start, before = time.perf_counter(), self._cpu()
        for prompt, seed, eta in itertools.product(PROMPTS, job.seeds, ETAS):
            self._make(job, prompt, seed, eta)
        return Spent(time.perf_counter() - start, self._cpu() - before)

    def command(self, job: Job) -> Spent:
        """Make an image on the running server by ``dw-run``, with a seed that no other job has."""
        before, made = self._cpu(), self._images()
        words = [f"prompt={job.prompt}", f"seed={job.seeds[0] + _CLIENT}"]
        client = spend([str(self._bin / "dw-run"), "cell", "--server", self._url, *words], self._env, timeout=job.left)
        self._moved(made, job.where)
        return Spent(client.wall, client.cpu + self._cpu() - before)

    def _make(self, job: Job, prompt: str, seed: int, eta: float) -> None:
        made = self._images()
        arguments = {"prompt": prompt, "seed": seed, "eta": eta}
        name = self._post("/api/jobs", {"workflow_path": "cell", "arguments": arguments})["id"]
        while (status := self._get(f"/api/jobs/{name}")["status"]) not in ("succeeded", "failed", "cancelled"):
            if not job.left:
                self._stop()  # or it would work on while others are measured
                raise RuntimeError(f"out of time, with {len(list(job.where.iterdir()))} images made")
            time.sleep(_ASK)
        if status != "succeeded":
            raise RuntimeError(f"its job has {status}")
        self._moved(made, job.where)

    def _images(self) -> set[Path]:
        return set(self._workspace.rglob("*.png"))

    def _moved(self, before: set[Path], where: Path) -> None:
        for path in self._images() - before:
            shutil.move(path, where / f"{path.parent.name}_{path.name}")

    def _start(self, job: Job) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{port}"
        words = ["--port", str(port), "--workspace", str(self._workspace), "--trust-workflows"]
        log = self._running.enter_context((self._workspace / "serve.log").open("ab"))
        server = started([str(self._bin / "dw-serve"), *words], self._env, err=log)
        self._process = self._running.enter_context(server)
        while True:
            try:
                self._get("/api/jobs")
            except OSError:
                if self._process.poll() is not None or not job.left:
                    self._stop()
                    raise RuntimeError("its server does not start") from None
                time.sleep(_ASK)
            else:
                return

    def _stop(self) -> None:
        self._process = None
        self._running.close()

    def _cpu(self) -> float:
        """Return the seconds that the server and its living workers have used."""
        if self._process is None:
            raise RuntimeError("its server does not run")
        server = psutil.Process(self._process.pid)
        times = [one.cpu_times() for one in [server, *server.children(recursive=True)]]
        return float(sum(one.user + one.system for one in times))

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._url + path, timeout=_ANSWER) as answer:
            return json.load(answer)

    def _post(self, path: str, body: object) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=_ANSWER) as answer:
            return json.load(answer)


def _workflow() -> object:
    lora = embedded.lora_path("emoji")
    pipeline = {
        "configuration": {"component_type": "StableDiffusionPipeline"},
        "from_pretrained_arguments": {
            "model_name": str(embedded.model_path("emoji")),
            "torch_dtype": "torch.float32",
        },
        "scheduler": {"configuration": {"scheduler_type": "TCDScheduler"}},
        "loras": [{"model_name": str(lora.parent), "weight_name": lora.name}],
        "arguments": {
            "prompt": "variable:prompt",
            "num_inference_steps": 4,
            "guidance_scale": 0,
            "eta": "variable:eta",
        },
    }
    step = {"name": "main", "seed": "variable:seed", "pipeline": pipeline, "result": {"content_type": "image/png"}}
    variables = {"prompt": PROMPTS[0], "seed": 0, "eta": 0.3}
    return {"id": "cell", "variables": variables, "seed": "variable:seed", "steps": [step]}
