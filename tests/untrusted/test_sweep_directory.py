"""A sweep's directory that somebody sent: resuming it makes its cells there or says why not, and nothing else."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.config.compose import Composer
from tcdflow.sweeps import planner
from tests.fuzz.answers import Answer, ask
from tests.helpers import left_behind
from tests.rerun.test_untrusted import change
from tests.sweep.conftest import at, engine
from tests.sweep.fake import FakeEngine

__all__ = ["at", "engine"]

Change = Callable[[dict[str, Any]], None]
Resume = Callable[[], Answer]
AXIS = "sampling.seed=1,2"


@pytest.fixture(scope="module")
def original() -> dict[str, Any]:
    plan: dict[str, Any] = planner.make(Composer(), [AXIS]).plan.model_dump(mode="json")
    return plan


@pytest.fixture
def theirs(at: Path, original: dict[str, Any]) -> Path:
    """A sweep's directory with a plan that was never begun."""
    where = at / "theirs"
    where.mkdir()
    rewrite(where, original)
    return where


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A place that is none of a sweep's business."""
    where = tmp_path / "outside"
    where.mkdir()
    for name in ("precious", ".partial-precious", "000.png", "run.json", "sweep.log"):
        (where / name).write_text(f"precious {name}\n")
    return where


@pytest.fixture
def resume(theirs: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Resume:
    """Resume it with an engine that draws at once; what it did elsewhere is in the answer."""
    monkeypatch.setattr("tcdflow.cli.engines.WarmEngine", lambda **_: engine)
    return lambda: ask(["resume", "theirs"], [theirs, Path("theirs")])


def rewrite(where: Path, plan: dict[str, Any]) -> None:
    (where / "plan.json").write_text(json.dumps(plan), "utf-8")


def beside(answer: Answer) -> list[str]:
    """What was done outside of the directory; where a name is relative to the handle of one, it is that."""
    return [what for what in answer.did if not what.partition(" ")[2].startswith((".", "/proc/self/fd/"))]


def contents(where: Path) -> dict[str, bytes]:
    return {name: (where / name).read_bytes() for name in left_behind(where) if (where / name).is_file()}


def test_the_plan_as_it_was_made_runs(theirs: Path, resume: Resume) -> None:
    answer = resume()
    assert (answer.status, beside(answer)) == (0, []), answer.err
    assert len(list(theirs.rglob("*.png"))) == 2


def base(plan: dict[str, Any]) -> dict[str, Any]:
    return next(files for files in plan["files"] if files["role"] == "base")


def lora(plan: dict[str, Any]) -> dict[str, Any]:
    return next(files for files in plan["files"] if files["role"] == "loras.tcd")


def elsewhere(plan: dict[str, Any]) -> None:
    lora(plan).update(root="/", files=["etc/passwd"])


def nothing_of_a_folder(plan: dict[str, Any]) -> None:
    base(plan).update(root="/etc", files=["passwd"], single=False)


def less_of_a_folder(plan: dict[str, Any]) -> None:
    base(plan)["files"] = ["model_index.json"]


def one_of_several(plan: dict[str, Any]) -> None:
    base(plan)["single"] = True


def a_broken_rule(plan: dict[str, Any]) -> None:
    plan["templates"][0]["sampling"]["width"] = 60


def too_many(plan: dict[str, Any]) -> None:
    plan["templates"][0]["sampling"]["num_images"] = 10**9


def python(plan: dict[str, Any]) -> None:
    plan["templates"][0]["base"]["_target_"] = "os.system"


def hydras(plan: dict[str, Any]) -> None:
    plan["templates"][0]["hydra"] = {"run": {"dir": "/tmp/evil"}}


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (elsewhere, "is not an image in a known format"),
        (nothing_of_a_folder, "is not a model folder"),
        (less_of_a_folder, "other files of it than would be loaded"),
        (one_of_several, "files of what is one"),
        (a_broken_rule, "must be a multiple of 8"),
        (too_many, "at most 1024"),
        (python, "_target_"),
        (hydras, "hydra"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_cells_that_tcdflow_would_not_plan_do_not_run(
    do: Change, words: str, theirs: Path, original: dict[str, Any], resume: Resume, engine: FakeEngine
) -> None:
    plan = json.loads(json.dumps(original))
    do(plan)
    rewrite(theirs, plan)
    answer = resume()
    assert (answer.status, engine.runs, beside(answer)) == (1, [], [])
    assert words in answer.err
    assert "root:" not in answer.err + (theirs / "results.csv").read_text()
    assert not list(theirs.rglob("*.png"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("_class_name", ["pipeline", "Evil"]),
        ("unet", ["evil", "Evil"]),
        ("unet", ["../evil", "Evil"]),
        ("../unet", ["diffusers", "UNet2DConditionModel"]),
    ],
)
def test_a_model_with_code_of_its_own_is_not_loaded(
    key: str, value: list[str], theirs: Path, original: dict[str, Any], resume: Resume, engine: FakeEngine
) -> None:
    plan = json.loads(json.dumps(original))
    ours = Path(base(plan)["root"])
    for name in base(plan)["files"]:
        (theirs / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / "model" / name).write_bytes((ours / name).read_bytes())
    base(plan)["root"] = str(theirs / "model")
    rewrite(theirs, plan)
    assert resume().status == 0  # a copy of ours is as good as ours
    index = theirs / "model/model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), key: value}))
    for record in theirs.rglob("run.json"):
        record.unlink()
    engine.runs.clear()
    answer = resume()
    assert (answer.status, engine.runs) == (1, [])
    assert "its model_index.json" in answer.err


@pytest.mark.parametrize(
    ("do", "words"),
    [
        (lambda plan: plan["cells"][0].update(template=7), "names a template or files that are not there"),
        (lambda plan: plan["cells"][0].update(files=[0, 99]), "names a template or files that are not there"),
        (lambda plan: plan["cells"][0].update(files=[-1]), "greater than or equal to 0"),
        (lambda plan: plan["cells"][0].update(overrides=[]), "has 0 values for 1 axes"),
        (lambda plan: plan["cells"][0].update(name="../../evil"), "name"),
        (lambda plan: plan["cells"][0].update(name=plan["cells"][1]["name"]), "two cells have one name"),
        (lambda plan: lora(plan).update(files=["../../x.safetensors"]), "name of a file below a folder"),
        (lambda plan: lora(plan).update(files=["/etc/x.safetensors"]), "name of a file below a folder"),
        (lambda plan: plan.update(environment=[]), "environment"),
        (lambda plan: plan["settings"].update(retry=10**9), "retry"),
    ],
)
def test_a_plan_that_does_not_hang_together_is_refused(
    do: Change, words: str, theirs: Path, original: dict[str, Any], resume: Resume
) -> None:
    plan = json.loads(json.dumps(original))
    do(plan)
    rewrite(theirs, plan)
    answer = resume()
    assert (answer.status, answer.out, answer.did) == (2, "", ())
    assert answer.err.count("\n") == 1
    assert words in answer.err
    assert left_behind(theirs) == ["plan.json"]


@pytest.mark.parametrize("packages", [[], "x", {"torch": {"a": 1}}, {"=x\x1b[31m": "1"}])
def test_versions_that_are_none(packages: object, theirs: Path, original: dict[str, Any], resume: Resume) -> None:
    rewrite(theirs, {**original, "environment": {"packages": packages}})
    answer = resume()
    assert answer.status == 0
    assert "\x1b" not in answer.err


@pytest.mark.parametrize(
    "name",
    [
        *("cells", "cells/CELL", "sweep.log", ".running", ".working-x", "results.csv", "results.jsonl", ".partial-x"),
        *("images.csv", "images.jsonl", ".thumbs"),
    ],
)
def test_links_lead_nowhere(name: str, theirs: Path, outside: Path, resume: Resume, original: dict[str, Any]) -> None:
    place = theirs / name.replace("CELL", original["cells"][0]["name"])
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(outside if "cells" in name or name == ".thumbs" else outside / "precious")
    before = contents(outside)
    answer = resume()
    assert contents(outside) == before
    assert answer.status == (2 if name == "cells" else 0), answer.err
    assert beside(answer) == []
    if name != "cells":
        assert not place.is_symlink()


@pytest.mark.parametrize("name", ["run.json", "000.png", "inputs", ".partial-x"])
def test_links_in_a_cell_lead_nowhere(
    name: str, theirs: Path, outside: Path, resume: Resume, original: dict[str, Any]
) -> None:
    cell = theirs / "cells" / original["cells"][0]["name"]
    cell.mkdir(parents=True)
    (cell / name).symlink_to(outside if name == "inputs" else outside / "precious")
    before = contents(outside)
    assert resume().status == 0
    assert contents(outside) == before


@pytest.mark.parametrize("name", [".running", "sweep.log", "cells/CELL/000.png", "cells/CELL/run.json"])
def test_nobody_waits_at_a_pipe(name: str, theirs: Path, resume: Resume, original: dict[str, Any]) -> None:
    assert resume().status == 0
    place = theirs / name.replace("CELL", original["cells"][0]["name"])
    place.unlink(missing_ok=True)  # the lock file goes with the end of the sweep
    os.mkfifo(place)
    if name == "sweep.log":  # which only a sweep with something to do writes
        (theirs / "cells" / original["cells"][0]["name"] / "run.json").unlink()
    assert resume().status == 0
    assert place.is_file() or (name == ".running" and not place.exists())


@pytest.mark.parametrize("name", ["index.html", "ratings.json"])
def test_what_keeps_a_page_from_being_written_is_told(name: str, theirs: Path, outside: Path, resume: Resume) -> None:
    (theirs / name).symlink_to(outside / "precious")
    before = contents(outside)
    answer = resume()
    assert answer.status == 0 and "warning: no page: " in answer.err and name in answer.err
    assert contents(outside) == before and beside(answer) == []


def test_results_run_no_formula(theirs: Path, original: dict[str, Any], resume: Resume) -> None:
    formula = "=HYPERLINK(0)"
    plan = json.loads(json.dumps(original))
    plan["axes"][0]["keys"] = ["@sum"]
    rewrite(theirs, plan)
    assert resume().status == 0
    first, second = sorted(theirs.rglob("run.json"))
    record = json.loads(first.read_text())
    record["outputs"][0]["pixel_sha256"] = formula
    record["execution"] = {"seconds": {"x": formula, "denoise": formula}, "metrics": [formula], "unet_calls": formula}
    first.write_text(json.dumps(record))
    record = json.loads(second.read_text())
    record |= {"status": "failed", "error": {"type": "E", "message": formula}}
    second.write_text(json.dumps(record))
    assert resume().status == 1
    with (theirs / "results.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f" {formula}" in cells
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r") and cell]


def test_what_a_log_holds_drives_no_terminal(theirs: Path, original: dict[str, Any], resume: Resume) -> None:
    plan = json.loads(json.dumps(original))
    evil = "\x1b]0;evil\x07\u202e"
    lora(plan).update(source=evil, files=["nowhere.safetensors"])
    rewrite(theirs, plan)
    answer = resume()
    assert answer.status == 1
    said = answer.err + (theirs / "sweep.log").read_text("utf-8")
    assert not set(evil) & set(said) - set("]0;evil")
    assert "\\x1b]0;evil" in said


@given(data=st.data())
def test_whatever_a_plan_holds(
    data: st.DataObject, theirs: Path, original: dict[str, Any], outside: Path, resume: Resume
) -> None:
    plan = json.loads(json.dumps(original))
    for _ in range(data.draw(st.integers(1, 2))):
        change(plan, data)
    rewrite(theirs, plan)
    before = contents(outside)
    answer = resume()
    assert answer.status in (0, 1, 2)
    assert beside(answer) == []
    assert "Traceback" not in answer.err and "TCDFLOW_DEBUG" not in answer.err
    assert contents(outside) == before
