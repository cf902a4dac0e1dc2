"""Completion at a Tab: what is offered where, through bash itself and by asking as the shells do."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tcdflow.cli import candidates, words
from tcdflow.cli.candidates import at_cursor
from tcdflow.cli.command import dispatch
from tcdflow.cli.verbs import VERBS
from tcdflow.config.compose import Composer
from tcdflow.config.places import groups
from tests.helpers import Write, environment, python

BREAKS = " \t\n\"'@><=;|&(:"
"""Bash's own COMP_WORDBREAKS."""


def offered(line: str) -> list[str]:
    return at_cursor(f"tcdflow {line}")


class TestWhat:
    """What is offered."""

    def test_at_the_start(self) -> None:
        found = offered("")
        assert {f"{verb} " for verb in VERBS} <= set(found)
        assert {f"{group}=" for group in groups()} <= set(found)
        assert {"prompt=", "sampling.", "loras.", "sweep.", "hydra/launcher="} <= set(found)

    @pytest.mark.parametrize(
        ("line", "found"),
        [
            ("che", ["check "]),
            ("re", ["rerun ", "resume "]),
            ("check che", []),
            ("promp", ["prompt=", "prompt_2=", "prompt_encoding."]),
            ("samp", ["sampling.", "sampling="]),
            ("sampling.s", ["sampling.seed=", "sampling.steps="]),
            ("check sampling.ste", ["sampling.steps="]),
            ("lora_stack.merge.m", ["lora_stack.merge.method="]),
            ("lora_stack.m", ["lora_stack.merge.", "lora_stack.merge="]),
            ("base=sd2", ["base=sd21_base "]),
            ("check base=sdxl", ["base=sdxl ", "base=sdxl_fp16_fix ", "base=sdxl_inpainting "]),
            ("-m base=emoji,sd2", ["base=emoji,sd21_base"]),
            ("-m runtime.dtype=float16,f", ["runtime.dtype=float16,float32"]),
            ("lora_stack.fuse=", ["lora_stack.fuse=false ", "lora_stack.fuse=true "]),
            ("lora_stack.merge=", ["lora_stack.merge=null "]),
            ("output.format=j", ["output.format=jpeg "]),
            ("runtime.device=cu", ["runtime.device=cuda ", "runtime.device=cuda:0 "]),
            ("loras.t", ["loras.tcd."]),
            ("loras.tcd.w", ["loras.tcd.weight="]),
            ("loras.mine.source=x loras.mi", ["loras.mine."]),
            ("loras=[pap", ["loras=[papercut"]),
            ("loras=[papercut", ["loras=[papercut,", "loras=[papercut] "]),
            ("loras=[tcd,pap", ["loras=[tcd,papercut"]),
            ("'loras=[tcd,pap", ["loras=[tcd,papercut"]),
            ("adapters.canny.k", ["adapters.canny.kind="]),
            ("adapters.canny.preprocessor.name=c", ["adapters.canny.preprocessor.name=canny "]),
            ("task.fit=", ["task.fit=crop ", "task.fit=none ", "task.fit=resize "]),
            ("++sampling.ste", ["++sampling.steps="]),
            ("hydra/launcher=ba", ["hydra/launcher=basic "]),
            ("sweep.on_error=", ["sweep.on_error=continue ", "sweep.on_error=stop "]),
            ("prompt=", []),
            ("nonsense.key=", []),
            ("--mul", ["--multirun "]),
            ("check --j", ["--json "]),
            ("rerun --v", ["--verify "]),
            ("resume --", ["--fetch ", "--help ", "--retry-failed "]),
            ("--cfg j", ["job "]),
            ("ls sampl", ["sampling ", "sampling."]),
            ("ls sampling.et", ["sampling.eta "]),
            ("explain sampling.et", ["sampling.eta "]),
            ("explain che", ["check "]),
            ("schema lo", ["loras "]),
            ("help re", ["rerun ", "resume "]),
            ("fetch hydra/la", ["hydra/launcher="]),
            ("measure outputs/sweeps ps", ["psnr "]),
            ("measure outputs/sweeps psnr ss", ["ssim "]),
            ("evaluate outputs/sweeps --features pi", ["pixels "]),
            ("evaluate outputs/sweeps --features pixels eff", ["efficientnet "]),
            ("evaluate outputs/sweeps --features pixels --ou", ["--output "]),
            ("check 'prompt=a fox' base=sd2", ["base=sd21_base "]),
        ],
    )
    def test_of_a_word(self, line: str, found: list[str]) -> None:
        assert offered(line) == found

    def test_every_option_of_every_group(self, composer: Composer) -> None:
        for group in groups():
            options = {one.strip(" ").partition("=")[2].strip("[") for one in offered(f"{group}=")}
            assert options == set(composer.options(group))

    def test_a_users_own_configs(self, configs: Write) -> None:
        mine = configs({"sampling/own.yaml": "steps: 4\n", "loras/ink.yaml": "ink:\n  source: a/b\n"})
        assert offered(f"--config-dir {mine} sampling=ow") == ["sampling=own "]
        assert offered(f"--config-dir {mine} loras.in") == ["loras.ink."]

    def test_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "outputs/eta=0.3").mkdir(parents=True)
        (tmp_path / "outputs/eta=0.3/a b.png").touch()
        (tmp_path / "outputs/.hidden").touch()
        assert offered("rerun ou") == ["outputs/"]
        assert offered("rerun outputs/") == ["outputs/eta=0.3/"]
        assert offered("resume outputs/.h") == ["outputs/.hidden "]
        assert offered("rerun --verify outputs/eta=0.3/") == ["outputs/eta=0.3/a b.png "]
        assert offered("task=image_to_image task.image=out") == ["task.image=outputs/"]
        assert offered("hydra.run.dir=out") == ["hydra.run.dir=outputs/"]
        assert offered("--config-dir ou") == ["outputs/"]
        assert offered("rerun outputs sampling.ste") == ["sampling.steps="]
        assert offered("fetch task.image=outputs/") == ["task.image=outputs/eta=0.3/"]
        assert offered("fetch ~nobody-has-it/") == offered("check nowhere/") == []
        assert at_cursor("tcdflow rerun outputs/eta=0.3/a", BREAKS, escaped=True) == ["0.3/a\\ b.png "]

    @pytest.mark.parametrize("line", ["", "tcdflow", "tcdflow \\", "tcdflow 'a", "tcdflow rerun nowhere/", "x y z = '"])
    def test_odd_lines_are_silent(
        self, line: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COMP_LINE", line)
        assert dispatch(["-sc", "query=bash"]) == 0
        assert capfd.readouterr().err == ""

    def test_a_failure_is_silent(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        def fail() -> None:
            raise RuntimeError

        monkeypatch.setattr(candidates, "words", fail)
        monkeypatch.setenv("COMP_LINE", "tcdflow ")
        assert dispatch(["-sc", "query=zsh"]) == 0
        assert capfd.readouterr() == ("", "")


class TestMemory:
    """The words are remembered, and a memory that is spoilt or cannot be written does no harm."""

    @pytest.fixture
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("TCDFLOW_CACHE", str(tmp_path / "cache"))
        return tmp_path / "cache" / "completion"

    def test_it_is_one_file(self, cache: Path) -> None:
        first = offered("sampling.")
        (cache / "old.json").write_text("{}")
        (memory,) = (path for path in cache.iterdir() if path.name != "old.json")
        memory.unlink()
        assert offered("sampling.") == first
        assert [path.name for path in cache.iterdir()] == [memory.name]

    @pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"keys": 1}', "\x00"])
    def test_spoilt(self, cache: Path, text: str) -> None:
        first = offered("sampling.")
        (memory,) = cache.iterdir()
        memory.write_text(text)
        assert offered("sampling.") == first

    def test_it_is_made_again_once_code_or_a_plugin_changes(
        self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        code = tmp_path / "package/sweeps/settings.py"
        plugin = tmp_path / "site/hydra_plugins/another.py"
        for path in (code, plugin, tmp_path / "package/cli/words.py"):
            path.parent.mkdir(parents=True)
        monkeypatch.setattr(words, "__file__", str(tmp_path / "package/cli/words.py"))
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        seen = []
        for new in (None, code, plugin):
            if new is not None:
                new.touch()
            offered("sampling.")
            seen += [path.name for path in cache.iterdir()]
        assert len(set(seen)) == len(seen) == 3

    def test_not_writable(self, cache: Path) -> None:
        cache.parent.mkdir()
        cache.write_text("a file where the directory should be")
        assert offered("sampling.ste") == ["sampling.steps="]

    def test_remembered_words_need_no_hydra_and_no_pydantic(self, cache: Path, tmp_path: Path) -> None:
        offered("")
        code = (
            "import os, sys, json; os.environ['COMP_LINE'] = 'tcdflow check base=sd'; "
            "from tcdflow.cli.command import dispatch; dispatch(['-sc', 'query=bash']); "
            "print(json.dumps(sorted({'hydra', 'omegaconf', 'pydantic', 'torch', 'yaml'} & set(sys.modules))))"
        )
        done = python("-c", code, cwd=tmp_path)
        *found, imported = done.stdout.splitlines()
        assert len(found) >= 3, done.stderr
        assert json.loads(imported) == []


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for PATH with tcdflow in it, as an installed package has it."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "tcdflow").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tcdflow "$@"\n')
    (folder / "tcdflow").chmod(0o755)
    return folder


def bash(program: Path, script: str, cwd: Path) -> list[str]:
    env = environment({"PATH": f"{program}:{os.environ['PATH']}"})
    done = subprocess.run(
        ["bash", "--norc", "-c", f'eval "$(tcdflow -sc install=bash)"\n{script}'],
        cwd=cwd,
        env=env,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


class TestBash:
    """The script that bash evaluates."""

    def test_it_is_registered_and_taken_back(self, program: Path, tmp_path: Path) -> None:
        script = (
            'complete -p tcdflow; eval "$(tcdflow -sc uninstall=bash)"; complete -p tcdflow 2>/dev/null || echo gone'
        )
        assert bash(program, script, tmp_path) == ["complete -o default -o nospace -F _tcdflow tcdflow", "gone"]

    @pytest.mark.parametrize(
        ("line", "reply"),
        [
            ("tcdflow che", ["check "]),
            ("tcdflow check base=sd2", ["sd21_base "]),
            ("tcdflow sampling.ste", ["sampling.steps="]),
            ("tcdflow loras=[tcd,pap", ["[tcd,papercut"]),
            ("tcdflow 'loras=[tcd,pap", ["loras=[tcd,papercut"]),
            ("tcdflow runtime.device=cuda:", ["0 "]),
            ("tcdflow nonsense.key=", []),
        ],
    )
    def test_it_replies(self, line: str, reply: list[str], program: Path, tmp_path: Path) -> None:
        (tmp_path / "loras=t").touch()  # which a list in brackets would match as a pattern
        script = (
            f"COMP_LINE={shlex.quote(line)}; COMP_POINT={len(line)}; COMP_WORDS=(tcdflow x); COMP_CWORD=1; _tcdflow\n"
            'for one in "${COMPREPLY[@]}"; do printf \'%s\\n\' "$one"; done'
        )
        assert bash(program, script, tmp_path) == reply


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("what", ["install", "uninstall"])
def test_each_shell_has_its_script(shell: str, what: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["-sc", f"{what}={shell}"]) == 0
    out, err = capfd.readouterr()
    assert "tcdflow" in out
    assert err == ""


@pytest.mark.parametrize("words", [[], ["install=tcsh"], ["install"], ["install=bash", "query=bash"]])
def test_another_request_is_refused(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["-sc", *words]) == 2
    assert "shells are bash, zsh and fish" in capfd.readouterr().err
