"""The table of verbs: each has its help with examples that hold, and what it prints as JSON is what is documented."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from tcdflow.cli import run
from tcdflow.cli.command import dispatch
from tcdflow.cli.keytable import table
from tcdflow.cli.verbs import VERBS
from tcdflow.config.compose import Composer
from tcdflow.config.distill import DistillComposer
from tcdflow.errors import ConfigError
from tcdflow.libraries.hydra import arguments

CLI = Path(run.__file__).parent
DOCUMENTED = (Path(__file__).parents[3] / "docs/json.md").read_text("utf-8")
PARSERS = {"": run.parser()} | {name: verb.module.parser() for name, verb in VERBS.items()}


def said(argv: list[str], capfd: pytest.CaptureFixture[str], status: int = 0) -> str:
    """What a command prints on standard output."""
    assert dispatch(argv) == status
    return capfd.readouterr().out


class TestHelp:
    """What ``--help`` says."""

    @pytest.mark.parametrize("verb", VERBS)
    def test_of_a_verb(self, verb: str, capfd: pytest.CaptureFixture[str]) -> None:
        text = said([verb, "--help"], capfd)
        assert text == said(["help", verb], capfd) == said([verb, "-h", "nonsense"], capfd)
        assert text.startswith(f"usage: tcdflow {verb} ")
        assert text.count(f"\n  tcdflow {verb}") == 2
        assert max(map(len, text.splitlines())) <= 120

    def test_of_all(self, capfd: pytest.CaptureFixture[str]) -> None:
        text = said(["--help"], capfd)
        assert text == said(["help"], capfd) == said(["base=emoji", "-h"], capfd)
        for verb in VERBS.values():
            assert f"\n  {verb.name} {verb.arguments} " in text
            assert verb.summary in text
        for flag in ("--multirun", "--config-dir", "--cfg", "--info", "--shell-completion", "--version"):
            assert flag in text

    def test_alone_it_says_what_to_try(self, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        with contextlib.chdir(tmp_path):
            text = said([], capfd)
        assert list(tmp_path.iterdir()) == []
        typed = [line.strip() for line in text.splitlines() if line.startswith("  tcdflow ")]
        assert len(typed) == 5 and max(map(len, text.splitlines())) <= 120
        for command in (shlex.split(re.split(r" {2,}", line)[0])[1:] for line in typed):
            if command[0] == "init":
                continue
            overrides = [word for word in command if word not in ("-m", "check")]
            assert Composer().compose([word.split(",")[0] for word in overrides]).spec.prompt

    @pytest.mark.parametrize("verb", PARSERS)
    def test_examples_are_commands_of_the_verb(self, verb: str) -> None:
        parser = PARSERS[verb]
        assert len(parser.examples) >= 2
        for command, says in parser.examples:
            program, *argv = shlex.split(command)
            assert (program, argv[: 1 if verb else 0]) == ("tcdflow", [verb] if verb else [])
            parser.read(argv[1:] if verb else argv)
            assert says

    @pytest.mark.parametrize("command", [c for p in PARSERS.values() for c, _ in p.examples], ids=str)
    def test_overrides_of_examples_compose(self, command: str, composer: Composer) -> None:
        words = [word for word in shlex.split(command)[1:] if re.match(r"[\w./]+=", word)]
        if command.startswith("tcdflow distill"):
            DistillComposer().distillation(words)
        elif not {"-m", "rerun", "--sheet"} & set(shlex.split(command)):
            composer.compose(words)

    def test_every_flag_is_explained(self) -> None:
        for parser in PARSERS.values():
            assert [action for action in parser.flags() if not action.help] == []

    def test_runs_take_every_flag_of_hydras(self) -> None:
        theirs = set(re.findall(r"(?<=\[)--[a-z-]+", arguments().format_usage()))
        assert len(theirs) >= 12
        for flag in theirs:
            try:
                PARSERS[""].read([flag])
            except ConfigError as error:
                assert "unrecognized" not in str(error)

    def test_every_row_has_its_file(self) -> None:
        assert [verb for verb in VERBS if not (CLI / f"{verb}.py").is_file()] == []


class TestExplain:
    """``tcdflow explain``."""

    @pytest.mark.parametrize("key", sorted({key.name for key in table()}))
    def test_a_key(self, key: str, capfd: pytest.CaptureFixture[str]) -> None:
        text = said(["explain", key], capfd)
        assert text.startswith(key)
        assert "\n  type " in text
        assert "\n  default " in text
        assert "\n  changes pixels  " in text

    def test_a_key_of_one_lora(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert "number or mapping, -100 to 100" in said(["explain", "loras.mine.weight"], capfd)

    def test_an_override(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert said(["explain", "sampling.eta=0.3"], capfd) == said(["explain", "sampling.eta"], capfd)

    def test_what_presets_set(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert "set by presets  few_step: 4, teacher: 50" in said(["explain", "sampling.steps"], capfd)

    def test_a_group(self, capfd: pytest.CaptureFixture[str]) -> None:
        text = said(["explain", "sampling"], capfd)
        assert "few_step" in text
        assert "sampling.eta " in text

    def test_what_is_no_group(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert "sweep.retry " in said(["explain", "sweep"], capfd)

    def test_a_verb(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert said(["explain", "check"], capfd) == said(["check", "--help"], capfd)

    def test_a_verb_that_is_a_key_too(self, capfd: pytest.CaptureFixture[str]) -> None:
        text = said(["explain", "lock"], capfd)
        assert text.startswith("lock\n")
        assert said(["lock", "--help"], capfd) in text


class TestLs:
    """``tcdflow ls``."""

    @pytest.mark.parametrize("prefix", ["sampling.", "lora_stack.", "sweep.", "hydra.launcher.", "adapters.canny."])
    def test_keys(self, prefix: str, capfd: pytest.CaptureFixture[str]) -> None:
        lines = [line for line in said(["ls", prefix], capfd).splitlines() if not line.startswith(" ")]
        assert len(lines) >= 3
        assert all(line.startswith((prefix, prefix.replace("canny", "NAME"))) for line in lines)

    def test_a_key_says_all_in_two_lines(self, capfd: pytest.CaptureFixture[str]) -> None:
        text = said(["ls", "output."], capfd)
        assert re.search(r"^output.fps +whole number, 1 to 60; default 10\n    frames per second", text, re.MULTILINE)

    def test_groups_with_dots_and_without(self, capfd: pytest.CaptureFixture[str]) -> None:
        text = said(["ls", "sampling.", "base"], capfd)
        assert "sampling.eta " in text
        assert "\n  sdxl " in text


def names(heading: str) -> set[str]:
    """The keys that the page on JSON names below a heading."""
    section = DOCUMENTED.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}


class TestJson:
    """``--json``: nothing else on standard output, and no key that docs/json.md does not name."""

    def test_a_run(self, capfd: pytest.CaptureFixture[str]) -> None:
        found = json.loads(said(["check", "--json", "sampling.steps=8", "lora_stack.fuse=false"], capfd))
        assert (found["version"], found["kind"], found["unet_calls"]) == (1, "run", 8)
        assert found["spec"]["sampling"]["steps"] == 8
        assert found["files"][0]["role"] == "base"
        assert found["problems"] == []
        assert set(found) == names("A run")
        assert set(found["files"][0]) == names("A file")

    def test_a_sweep(self, capfd: pytest.CaptureFixture[str]) -> None:
        found = json.loads(said(["check", "-m", "sampling.eta=0,0.5", "--json", "sampling.seed=1,2"], capfd))
        assert (found["kind"], len(found["cells"])) == ("sweep", 4)
        assert found["axes"][0] == {"keys": ["sampling.eta"], "values": 2}
        assert set(found) == names("A sweep")

    def test_groups(self, capfd: pytest.CaptureFixture[str]) -> None:
        found = json.loads(said(["ls", "--json"], capfd))
        assert found["groups"]["base"]["sdxl"].startswith("Stable Diffusion XL")
        assert set(found) == names("A list")

    def test_keys(self, capfd: pytest.CaptureFixture[str]) -> None:
        found = json.loads(said(["ls", "sampling.", "emoji", "--json"], capfd))
        eta = next(key for key in found["keys"]["sampling."] if key["key"] == "sampling.eta")
        assert (eta["type"], eta["range"], eta["required"], eta["changes_pixels"]) == (
            "number",
            "0 to 1",
            True,
            "pixels",
        )
        assert "fox" in found["models"]["emoji"]["subjects"]
        assert set(eta) == names("A key")

    def test_a_mistake(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["check", "--json", "sampling.stpes=4"]) == 2
        assert dispatch(["ls", "--json", "bas"]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.count("\n") == 2


class TestOutOfReach:
    """A hub that cannot be reached: what is known is shown, then what is wrong."""

    @pytest.fixture(autouse=True)
    def offline(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        monkeypatch.chdir(tmp_path)

    def test_a_run(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["check", "base=sdxl", "sampling.steps=8"]) == 2
        out, err = capfd.readouterr()
        assert re.search(r"^base +stabilityai/stable-diffusion-xl-base-1.0 \(sdxl\)$", out, re.MULTILINE)
        assert re.search(r"^sampling +8 steps, eta 0.3", out, re.MULTILINE)
        assert re.search(r"^size +1024 x 1024$", out, re.MULTILINE)
        assert "source      loras.tcd.source: h1t/TCD-SDXL-LoRA\n" in out
        assert "  base.source: 'stabilityai/stable-diffusion-xl-base-1.0': is not in the local cache" in err

    def test_as_json(self, capfd: pytest.CaptureFixture[str]) -> None:
        found: dict[str, Any] = json.loads(said(["check", "base=sdxl", "--json"], capfd, 2))
        assert found["sources"]["base.source"] == "stabilityai/stable-diffusion-xl-base-1.0"
        assert len(found["problems"]) == 2
        assert found["files"] == []

    def test_a_sweep(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["check", "-m", "base=sdxl", "sampling.steps=4,8"]) == 2
        out, err = capfd.readouterr()
        assert re.search(r"^sampling +4 steps, eta 0.3", out, re.MULTILINE)
        assert "base.source: stabilityai/stable-diffusion-xl-base-1.0" in out
        assert "  base.source: " in err

    def test_a_wrong_sweep_shows_nothing(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert said(["check", "-m", "base=sdxl", "sampling.eta=0,2"], capfd, 2) == ""
