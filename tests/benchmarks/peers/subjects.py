"""All that are compared, in the order of the table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tcdflow import embedded
from tcdflow.engine.threads import SPINS
from tests.benchmarks import process
from tests.benchmarks.peers.environments import ROOT, Environments
from tests.benchmarks.peers.subject import Job, Subject
from tests.benchmarks.peers.work import ETAS, FIRST, PROMPTS, SEEDS
from tests.benchmarks.peers.workflow import Server
from tests.benchmarks.spend import Spent, spend

NOT_RUN = {
    "dgenerate 5.0": "installs with torch 2.8.0 and diffusers 0.35.1 alone; knows no TCD and no eta",
    "InvokeAI 6.14": "installs with diffusers 0.40.0 alone; fixes TCD's eta at 1.0, which is another image",
    "ComfyUI, SwarmUI, A1111": "not in a package registry",
}
_BESIDE = ROOT / "tests" / "benchmarks"
_SCRIPTS = _BESIDE / "peers" / "scripts"
_AXES = (f"prompt={','.join(PROMPTS)}", f"seed={','.join(map(str, SEEDS))}", f"eta={','.join(map(str, ETAS))}")


def environment(**more: str) -> dict[str, str]:
    """Return the variables of a process, without what would bring it this checkout or another's caches."""
    left_out = ("PYTHONPATH", "TCDFLOW_WARM", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")
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

    def script(path: Path, job: Job, before: list[str], env: Mapping[str, str], to: Path) -> Spent:
        return spend([python, *before, str(path), model, lora, str(to)], env)

    def plain(name: str, before: list[str], env: Mapping[str, str]) -> Subject:
        def one(job: Job) -> Spent:
            return script(_BESIDE / "by_hand.py", job, before, env, job.where / FIRST)

        def cells(job: Job) -> Spent:
            return script(_SCRIPTS / "cells.py", job, before, env, job.where)

        return Subject(name, one, one, cells)

    def hydra(name: str, keep: bool) -> Subject:
        app = [python, str(_SCRIPTS / "hydra_app.py")]
        files = [f"model={model}", f"lora={lora}", f"keep={keep}"]

        def one(job: Job) -> Spent:
            command = [*app, *files, f"prompt={job.prompt}", f"seed={job.seed}", f"hydra.run.dir={job.where}"]
            return spend(command, environment(), cwd=job.where)

        def cells(job: Job) -> Spent:
            return spend([*app, "-m", *files, *_AXES, f"hydra.sweep.dir={job.where}"], environment(), cwd=job.where)

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
        words = [f"prompt={job.prompt}", f"sampling.seed={job.seed}", f"hydra.run.dir={job.where}"]
        return spend([command, *words], env)

    def cells(env: Mapping[str, str], job: Job) -> Spent:
        axes = [_AXES[0], *(f"sampling.{axis}" for axis in _AXES[1:])]
        return spend([command, "-m", *axes, f"hydra.sweep.dir={job.where}"], env)

    def subject(name: str, env: Mapping[str, str], first: Callable[[Job], Spent]) -> Subject:
        return Subject(name, first, partial(one, env), partial(cells, env))

    cold, warm = (environment(TCDFLOW_WARM=wanted, XDG_RUNTIME_DIR=str(folder)) for wanted in "01")

    def stop() -> None:
        spend([command, "warm", "stop"], warm)

    def started(job: Job) -> Spent:
        stop()
        return one(warm, job)

    stack.callback(stop)

    return [
        subject("tcdflow", cold, partial(one, cold)),
        subject("tcdflow in a warm process", warm, started),
    ]


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


def _failed(name: str, error: Exception) -> Subject:
    return Subject(name, None, None, None, f"cannot be installed: {error}")
