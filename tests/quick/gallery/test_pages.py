"""What a page holds of runs and sweeps: axes, images, settings, commands, YAML, whatever made them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError, RecordError
from tcdflow.gallery.write import INDEX, gallery, target
from tcdflow.record import document
from tcdflow.record.key import run_key
from tests.helpers import GLOBAL, Write
from tests.quick.gallery.conftest import label, setting, shown
from tests.standins.gallery import page_data
from tests.sweep.fake import FakeEngine, Sweep

LEGACY = Path(__file__).parents[2] / "legacy" / "958240d"
PROMPT = "줄\n\"q\" 'a' $5 ${x} \\ , {b} \x7f 🦊 </script>"


def axes(*directories: Path) -> dict[str, list[str]]:
    return {axis["key"]: [value["text"] for value in axis["values"]] for axis in shown(*directories)["axes"]}


def test_a_sweep(sweep: Sweep) -> None:
    sweep.run("prompt=a panda,a fox", "sampling.eta=1,0.5", "runtime.batch_size=2")
    data = shown(sweep.directory)
    assert axes(sweep.directory) == {"prompt": ["a panda", "a fox"], "sampling.eta": ["1", "0.5"]}
    assert [axis["numeric"] for axis in data["axes"]] == [False, True]
    assert [cell["name"].partition("/")[2] for cell in data["cells"]] == [c.name for c in sweep.plan_there().cells]
    for cell in data["cells"]:
        assert json.loads(setting(data, cell, "prompt")) == label(data, cell, "prompt")
        assert f"{json.loads(setting(data, cell, 'sampling.eta')):g}" == label(data, cell, "sampling.eta")
        assert (cell["status"], cell["reason"], cell["width"], cell["seed"]) == ("done", None, 64, 0)
        assert cell["file"] and cell["thumb"]
        with Image.open(sweep.directory / unquote(cell["file"])) as image:
            assert image.size == (64, 64)
        with Image.open(sweep.directory / unquote(cell["thumb"])) as image:
            assert (image.format, image.size) == ("WEBP", (64, 64))
    assert {metric["name"]: metric["better"] for metric in data["metrics"]} == {
        "sharpness": "high",
        "complexity": "high",
        "seconds": "low",
    }
    assert data["running"] is False


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        (["scheduler=tcd,lcm"], {"scheduler": ["tcd", "lcm"]}),
        (["loras=[tcd],[]"], {"loras": ["tcd", "none"]}),
        (
            ["sampling.steps=2,4", "sampling.eta=0,1", "sweep.zip=[[sampling.steps,sampling.eta]]"],
            {"sampling.steps, sampling.eta": ["2, 0", "4, 1"]},
        ),
        (["sampling.num_images=2"], {"sampling.seed": ["0", "1"]}),
        (["sampling.seed=5,7", "sampling.num_images=2"], {"sampling.seed": ["5", "6", "7", "8"]}),
        (["sampling.seed=[1,2],[3,4]"], {"sampling.seed": ["1", "2", "3", "4"]}),
        (
            [
                "sampling.seed=5,7",
                "sampling.eta=0,1",
                "sweep.zip=[[sampling.seed,sampling.eta]]",
                "sampling.num_images=2",
            ],
            {"sampling.seed, sampling.eta": ["5, 0", "7, 1"], "image": ["0", "1"]},
        ),
        (["+loras.tcd.weight=0.5,1"], {"loras.tcd.weight": ["0.5", "1"]}),
        (["sampling.eta=0"], {}),
    ],
)
def test_axes(sweep: Sweep, overrides: list[str], found: dict[str, list[str]]) -> None:
    sweep.run(*overrides)
    data = shown(sweep.directory)
    assert axes(sweep.directory) == found
    places = [tuple(cell["at"]) for cell in data["cells"]]
    assert len(set(places)) == len(places) == sum(cell["status"] == "done" for cell in data["cells"])


def test_a_cell_s_yaml_and_overrides_compose_to_its_key(sweep: Sweep, configs: Write) -> None:
    """What the page copies: the head and the settings nested, and the overrides of the run."""
    written = json.dumps(PROMPT.replace("${", "\\${"), ensure_ascii=False)
    folder = configs({"experiment/strange.yaml": f"{GLOBAL}prompt: {written}\n".replace("\x7f", "\\x7f")})
    sweep.composer = Composer(folder)
    sweep.run("experiment=strange", "scheduler=tcd,lcm", "sampling.seed=[3,9],4", "loras.tcd.weight=0.5")
    data = shown(sweep.directory)
    head, texts = data["texts"][data["head"]], data["texts"]
    copies = {
        f"experiment/copied{number}.yaml": head
        + "".join(f"{name}: {text}\n" for name, text in nested(data, cell).items())
        for number, cell in enumerate(data["cells"])
    }
    copied = Composer(configs(copies))
    for number, cell in enumerate(data["cells"]):
        record = document.read(sweep.directory / cell["name"])
        specs = [
            copied.compose([f"experiment=copied{number}"]).spec,
            sweep.composer.compose([texts[text] for text in cell["overrides"]]).spec,
        ]
        assert specs[0].prompt == PROMPT
        assert {run_key(spec, record.lock) for spec in specs} == {record.key}


def nested(data: Any, cell: Any) -> dict[str, str]:
    """The settings of a cell as YAML, by top-level key, as the page writes them."""
    tree: dict[str, Any] = {}
    for key, number in {**data["common"], **cell["set"]}.items():
        *parents, last = key.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = data["texts"][number].replace("${", "\\\\${")
    return {name: _yaml(value) for name, value in tree.items()}


def _yaml(node: Any) -> str:
    if isinstance(node, str):
        return node
    return "{" + ", ".join(f"{json.dumps(name)}: {_yaml(value)}" for name, value in node.items()) + "}"


def test_several_directories_and_runs_without_a_plan(sweep: Sweep, at: Path) -> None:
    sweep.run("sampling.eta=0,1")
    Sweep(at / "other", FakeEngine()).run("sampling.steps=2,8", "sampling.eta=1")
    (at / "other/plan.json").unlink()
    everything = shown(at)
    assert axes(at) == {"sampling.steps": ["2", "4", "8"], "sampling.eta": ["0", "1"]}
    assert {cell["name"].partition("/")[0] for cell in everything["cells"]} == {"sweep", "other"}
    two = shown(sweep.directory, at / "other", output=at / "elsewhere/two.html")
    files = [unquote(cell["file"] or "") for cell in two["cells"]]
    assert len(shown(at, sweep.directory, output=at)["cells"]) == 4
    assert len(files) == 4 and all((at / "elsewhere" / file).is_file() for file in files)
    assert [cell["id"] for cell in two["cells"]] == [cell["id"] for cell in shown(sweep.directory)["cells"]] + [
        cell["id"] for cell in shown(at / "other")["cells"]
    ]


def test_a_single_run_and_one_that_was_made_twice(made: Path, tmp_path: Path) -> None:
    source = next((made / "cells").iterdir())
    for name in ("one", "two"):
        shutil.copytree(source, tmp_path / name)
    assert len(shown(tmp_path / "one")["cells"]) == 1
    first, second = shown(tmp_path)["cells"]
    assert first["id"] != second["id"]
    assert [cell["id"] for cell in shown(tmp_path)["cells"]] == [first["id"], second["id"]]


def test_earlier_versions(tmp_path: Path) -> None:
    shutil.copytree(LEGACY, tmp_path / "old")
    data = shown(tmp_path / "old")
    assert [cell["reason"] for cell in data["cells"] if cell["status"] != "done"] == ["not made yet"]
    assert all(len(axis["values"]) > 1 for axis in data["axes"])
    assert len(shown(tmp_path / "old/sweep")["cells"]) == 8


def test_what_is_equal_stands_once(sweep: Sweep) -> None:
    sweep.run("sampling.seed=range(9)")
    data = shown(sweep.directory)
    assert all(set(cell["set"]) == {"sampling.seed"} for cell in data["cells"])
    assert len(data["texts"]) == len(set(data["texts"]))


def test_it_can_be_moved(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "first")
    data = shown(tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "second")
    assert all((tmp_path / "second" / unquote(cell["file"] or "")).is_file() for cell in data["cells"])
    assert [cell["id"] for cell in shown(tmp_path / "second")["cells"]] == [cell["id"] for cell in data["cells"]]


def test_nothing_to_show(tmp_path: Path) -> None:
    for directory, says in [(tmp_path, "no run in it"), (tmp_path / "none", "is not a directory")]:
        with pytest.raises(RecordError, match=says):
            gallery([directory])
    assert list(tmp_path.iterdir()) == []


def test_where_it_goes() -> None:
    one, two = Path("one"), Path("two")
    assert target([one], None) == one / INDEX
    assert target([one, two], Path("out")) == Path("out") / INDEX
    assert target([one], Path("out/page.html")) == Path("out/page.html")
    with pytest.raises(ConfigError, match="--output"):
        target([one, two], None)


def test_the_page_of_somebody_else_stays(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "sweep")
    page = tmp_path / "sweep" / INDEX
    page.write_text("<title>mine</title>")
    with pytest.raises(ConfigError, match="no gallery of tcdflow"):
        gallery([tmp_path / "sweep"])
    assert page.read_text() == "<title>mine</title>"
    page.unlink()
    gallery([tmp_path / "sweep"])
    gallery([tmp_path / "sweep"])
    assert page_data(page)["title"] == "sweep"
