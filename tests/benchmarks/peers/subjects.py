"""All that are compared, in the order of the table."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil

from tcdflow import embedded
from tcdflow.engine.threads import SPINS
from tests.benchmarks import process
from tests.benchmarks.peers.environments import ROOT, Environments
from tests.benchmarks.peers.subject import Job, Subject
from tests.benchmarks.peers.work import ETAS, FIRST, PROMPTS
from tests.benchmarks.peers.workflow import Server
from tests.benchmarks.spend import Spent, spend

NOT_RUN = {
    "dgenerate 5.0": "installs with torch 2.8.0 and diffusers 0.35.1 alone; knows no TCD and no eta",
    "InvokeAI 6.14": "installs with diffusers 0.40.0 alone; fixes TCD's eta at 1.0, which is another image",
    "ComfyUI, SwarmUI, A1111": "not in a package registry",
}
_BESIDE = ROOT / "tests" / "benchmarks"
_SCRIPTS = _BESIDE / "peers" / "scripts"


def environment(**more: str) -> dict[str, str]:
    """Return the variables of a process, without what would bring it this checkout or how long threads spin."""
    left_out = ("PYTHONPATH", "TCDFLOW_WARM", "GOMP_SPINCOUNT")
    return {name: value for name, value in os.environ.items() if name not in left_out} | more


def subjects(environments: Environments, folder: Path, stack: ExitStack) -> list[Subject]:
    """Install what is needed and return the subjects; one that cannot be installed has its failure.

    Args:
        environments: to install into.
        folder: for what servers keep.
        stack: ends them.
    """
    return [*_scripts(environments), *_workflow(environments, folder, stack), *_tcdflow(environments, folder, stack)]


def _scripts(environments: Environments) -> list[Subject]:
    try:
        python = str(environments.scripts())
    except RuntimeError as error:
        return [_failed("a diffusers script", error)]
    model, lora = str(embedded.model_path("emoji")), str(embedded.lora_path("emoji"))

    def script(path: Path, job: Job, before: list[str], env: Mapping[str, str], *more: str) -> Spent:
        return spend([python, *before, str(path), model, lora, *more], env, timeout=job.left)

    def plain(name: str, before: list[str], env: Mapping[str, str]) -> Subject:
        def one(job: Job) -> Spent:
            return script(_BESIDE / "by_hand.py", job, before, env, str(job.where / FIRST))

        def cells(job: Job) -> Spent:
            return script(_SCRIPTS / "cells.py", job, before, env, str(job.where), *map(str, job.seeds))

        return Subject(name, one, one, cells)

    def hydra(name: str, keep: bool) -> Subject:
        app = [python, str(_SCRIPTS / "hydra_app.py")]
        files = [f"model={model}", f"lora={lora}", f"keep={keep}"]

        def one(job: Job) -> Spent:
            command = [*app, *files, f"prompt={job.prompt}", f"seed={job.seeds[0]}", f"hydra.run.dir={job.where}"]
            return spend(command, environment(), job.where, job.left)

        def cells(job: Job) -> Spent:
            command = [*app, "-m", *files, *_axes(job), f"hydra.sweep.dir={job.where}"]
            return spend(command, environment(), job.where, job.left)

        return Subject(name, one, one, cells)

    return [
        plain("a diffusers script; the cells in one loop", [], environment()),
        plain("the same, tuned", ["-c", process.TUNED], environment(GOMP_SPINCOUNT=SPINS)),
        hydra("an @hydra.main script; -m loads the model for each cell", keep=False),
        hydra("the same, the model kept in a global", keep=True),
    ]


def _tcdflow(environments: Environments, folder: Path, stack: ExitStack) -> list[Subject]:
    try:
        command = str(environments.tcdflow().with_name("tcdflow"))
    except RuntimeError as error:
        return [_failed("tcdflow", error)]

    def one(env: Mapping[str, str], job: Job) -> Spent:
        words = [f"prompt={job.prompt}", f"sampling.seed={job.seeds[0]}", f"hydra.run.dir={job.where}"]
        return spend([command, *words], env, timeout=job.left)

    def cells(env: Mapping[str, str], job: Job) -> Spent:
        words = [f"hydra.sweep.dir={job.where}", *_axes(job, "sampling.")]
        return spend([command, "-m", *words], env, timeout=job.left)

    cold, warm = (environment(TCDFLOW_WARM=wanted, XDG_RUNTIME_DIR=str(folder)) for wanted in "01")

    def stop() -> None:
        spend([command, "warm", "stop"], warm, timeout=60)

    def started(job: Job) -> Spent:
        stop()
        return one(warm, job)

    def counted(made: Callable[[Job], Spent]) -> Callable[[Job], Spent]:
        """Count what the warm process has used too, which a command does not wait for."""

        def both(job: Job) -> Spent:
            before = _cpu_of_warm(command, warm) if made is not started else 0.0
            spent = made(job)
            return Spent(spent.wall, spent.cpu + _cpu_of_warm(command, warm) - before)

        return both

    stack.callback(stop)

    return [
        Subject("tcdflow", partial(one, cold), partial(one, cold), partial(cells, cold)),
        Subject(
            "tcdflow in a warm process", counted(started), counted(partial(one, warm)), counted(partial(cells, warm))
        ),
    ]


def _cpu_of_warm(command: str, env: Mapping[str, str]) -> float:
    """Return the seconds that the warm process has used by now."""
    done = subprocess.run([command, "warm", "status"], env=env, capture_output=True, text=True, timeout=60)
    found = re.search(r"warm process (\d+)", done.stdout)
    if found is None:
        raise RuntimeError("there is no warm process")
    used = psutil.Process(int(found[1])).cpu_times()
    return float(used.user + used.system)


def _workflow(environments: Environments, folder: Path, stack: ExitStack) -> list[Subject]:
    name = "diffusers-workflow"
    try:
        server = stack.enter_context(Server(environments.diffusers_workflow(), folder / "dw", environment()))
    except RuntimeError as error:
        return [_failed(name, error)]
    return [
        Subject(f"{name}, its server by HTTP", server.first, server.again, server.cells),
        Subject(f"{name}, its client", None, server.command, None),
    ]


def _axes(job: Job, group: str = "") -> list[str]:
    """Return the axes of a sweep in Hydra's words."""
    axes = {"prompt": PROMPTS, f"{group}seed": job.seeds, f"{group}eta": ETAS}
    return [f"{key}={','.join(map(str, values))}" for key, values in axes.items()]


def _failed(name: str, error: Exception) -> Subject:
    return Subject(name, None, None, None, f"cannot be installed: {error}")
