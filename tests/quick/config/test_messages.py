"""Error messages as a feature: the key, the value, what is allowed, the nearest known name, and who said it."""

from __future__ import annotations

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.errors import Problem
from tcdflow.spec.scheduler import SCHEDULERS, called_elsewhere
from tcdflow.text import printable
from tests.helpers import problems

SEED = "must be a whole number from 0 to 2^63 - 1, a list of them, or random, which draws one"
DEVICE = "must be one of auto, cpu, mps, cuda, cuda:0"
WEIGHT = "must be a number, or numbers by component and block: {unet: {down: 0.5, mid: 1}}"

# One mistake each: the override is the origin, and the rest is what is said of it.
SEVERAL = "has several values; a sweep of them needs -m (multirun) first, or tcdflow.sweep in Python"
MISTAKES = [
    ("sampling.stpes=4", Problem("sampling.stpes", "unknown key", nearest="steps")),
    ("smapling.steps=4", Problem("smapling", "unknown key", nearest="sampling")),
    ("promt=a fox", Problem("promt", "unknown key", nearest="prompt")),
    ("eta=0.3", Problem("eta", "unknown key", nearest="sampling.eta")),
    ("seed=3", Problem("seed", "unknown key", nearest="sampling.seed")),
    ("experimnt=quickstart", Problem("experimnt", "unknown key", nearest="experiment")),
    ("loras.tcd.wieght=1", Problem("loras.tcd.wieght", "unknown key", nearest="weight")),
    ("loras.tdc.weight=1", Problem("loras.tdc", "is not in the stack, which has tcd", nearest="tcd")),
    (
        "loras.papercut.weight=1",
        Problem(
            "loras.papercut", "has no source, since it is not chosen: 'loras=[tcd,papercut]' takes it from its preset"
        ),
    ),
    (
        "loras.papercutt.weight=1",
        Problem(
            "loras.papercutt",
            "has no source, since it is not chosen: 'loras=[tcd,papercut]' takes it from its preset",
            nearest="papercut",
        ),
    ),
    (
        "adapters.cany.scale=1",
        Problem(
            "adapters.cany",
            "has no kind, since it is not chosen: 'adapters=[canny]' takes it from its preset",
            nearest="canny",
        ),
    ),
    (
        "embeddings.easynegativ.token=bad",
        Problem(
            "embeddings.easynegativ",
            "has no source, since it is not chosen: 'embeddings=[easynegative]' takes it from its preset",
            nearest="easynegative",
        ),
    ),
    ("sampling.eta=1.5", Problem("sampling.eta", "must be at least 0 and at most 1", 1.5)),
    ("sampling.eta=-0.1", Problem("sampling.eta", "must be at least 0 and at most 1", -0.1)),
    ("sampling.eta=nan", Problem("sampling.eta", "must be a finite number", float("nan"))),
    ("sampling.eta=true", Problem("sampling.eta", "must be a number, not a truth value", True)),
    ("sampling.steps=four", Problem("sampling.steps", "must be a whole number", "four")),
    ("sampling.steps=4.5", Problem("sampling.steps", "must be a whole number", 4.5)),
    ("sampling.steps=0", Problem("sampling.steps", "must be at least 1 and at most 1000", 0)),
    ("sampling.steps=null", Problem("sampling.steps", "must be a whole number", "null")),
    ("sampling.guidance_scale=101", Problem("sampling.guidance_scale", "must be at least 0 and at most 100", 101)),
    ("sampling.seed=-1", Problem("sampling.seed", SEED, -1)),
    ("sampling.seed=[1,2.5]", Problem("sampling.seed", SEED, "[1, 2.5]")),
    ("sampling.seed=[]", Problem("sampling.seed", "a list of seeds holds 1 to 1024 of them", "[]")),
    ("sampling.width=60", Problem("sampling.width", "must be a multiple of 8, such as 64", 60)),
    ("sampling.generator=gpu", Problem("sampling.generator", "must be 'cpu' or 'device'", "gpu", nearest="cpu")),
    ("scheduler.name=tdc", Problem("scheduler.name", "", "tdc", nearest="tcd")),
    ("runtime.dtype=flaot16", Problem("runtime.dtype", "", "flaot16", nearest="float16")),
    ("runtime.device=gpu", Problem("runtime.device", DEVICE, "gpu", nearest="cuda")),
    ("runtime.dtype=fp16", Problem("runtime.dtype", "", "fp16", nearest="float16")),
    ("cfg_scale=5", Problem("cfg_scale", "unknown key", nearest="sampling.guidance_scale")),
    ("steps=8", Problem("steps", "unknown key", nearest="sampling.steps")),
    ("sampler=euler", Problem("sampler", "unknown key", nearest="scheduler")),
    ("lora=tcd", Problem("lora", "unknown key", nearest="loras")),
    ("image=a.png", Problem("image", "unknown key", nearest="task.image")),
    ("init_image=a.png", Problem("init_image", "unknown key", nearest="task.image")),
    ("mask=a.png", Problem("mask", "unknown key", nearest="task.mask")),
    ("strength=0.5", Problem("strength", "unknown key", nearest="task.strength")),
    ("size=512", Problem("size", "unknown key", nearest="sampling.width")),
    ("outdir=x", Problem("outdir", "unknown key", nearest="hydra.run.dir")),
    ("sampling.strength=0.5", Problem("sampling.strength", "unknown key", nearest="task.strength")),
    ("sampling.sampler=x", Problem("sampling.sampler", "unknown key", nearest="scheduler")),
    ("sampling.negative_prompt=x", Problem("sampling.negative_prompt", "unknown key", nearest="negative_prompt")),
    ("sampling.batch_size=2", Problem("sampling.batch_size", "unknown key", nearest="runtime.batch_size")),
    ("loras.tcd.strength=1", Problem("loras.tcd.strength", "unknown key", nearest="weight")),
    ("base.ckpt=x", Problem("base.ckpt", "unknown key", nearest="source")),
    ("output.name={promt}", Problem("output.name", "", "{promt}", nearest="prompt")),
    ("output.name=a/b", Problem("output.name", "names files, not folders; hydra.run.dir names the directory", "a/b")),
    ("output.name={prompt", Problem("output.name", "", "{prompt")),
    ("lora_stack.fuse=2", Problem("lora_stack.fuse", "must be true or false", 2)),
    ("loras.tcd.weight=[1]", Problem("loras.tcd.weight", WEIGHT, "[1]")),
    ("loras.tcd.weight=101", Problem("loras.tcd.weight", "must lie between -100 and 100", 101)),
    ("loras.tcd=5", Problem("loras.tcd", "must be a mapping of its settings; loras.tcd.weight=5 is its weight", 5)),
    (
        "sampling.steps=[2,4]",
        Problem(
            "sampling.steps",
            "must be a whole number; several of them are a sweep: -m KEY=A,B, or sweep.axes in a YAML",
            "[2, 4]",
        ),
    ),
    (
        "experiment=./mine.yaml",
        Problem(
            "experiment",
            "takes the name of a preset; a YAML is run by its path: tcdflow ./mine.yaml",
            "./mine.yaml",
        ),
    ),
    ("prompt=", Problem("prompt", "must not be empty", "")),
    ("base=sdlx", Problem("base", "", "sdlx", nearest="sdxl")),
    ("base=null", Problem("base", "", "null")),
    ("base={size: 4}", Problem("base", "")),
    ("~base", Problem("base", "")),
    ("~base.family", Problem("base.family", "")),
    ("~loras", Problem("loras", "has a list of presets, which stays; loras=[] chooses none of them")),
    ("experiment=quikstart", Problem("experiment", "", "quikstart", nearest="quickstart")),
    ("loras=[tdc]", Problem("loras", "", "tdc", nearest="tcd")),
    (
        "loras=[tcd,tcd]",
        Problem(
            "loras",
            "is chosen twice, and would be one entry; loras.tcd.weight sets how much it changes the base",
            "tcd",
        ),
    ),
    ("adapters=[canny,canny]", Problem("adapters", "is chosen twice, and would be one entry", "canny")),
    ("loras=[tcd,papercat]", Problem("loras", "", "papercat", nearest="papercut")),
    ("sampling.seed=1,2", Problem("sampling.seed", SEVERAL)),
    ("loras='tcd','papercut'", Problem("loras", f"{SEVERAL}; loras=[tcd,papercut] has all of them in one run")),
    ("loras=tcd,papercut", Problem("loras", f"{SEVERAL}; loras=[tcd,papercut] has all of them in one run")),
    ("prompt", Problem("prompt", "unknown override; write key=value")),
    (
        "prompt=${no_key}",
        Problem("prompt", "Interpolation key 'no_key' not found; \\${...} is the text itself"),
    ),
]


@pytest.mark.parametrize(("override", "expected"), MISTAKES, ids=[override for override, _ in MISTAKES])
def test_a_mistake_is_answered(override: str, expected: Problem, composer: Composer) -> None:
    (problem,) = problems(composer, override)
    assert problem.key == expected.key
    assert repr(problem.value) == repr(expected.value)
    assert problem.nearest == expected.nearest
    if expected.what:
        assert problem.what == expected.what
    if expected.key != "prompt" or "$" not in override:
        assert problem.origin == override


@pytest.mark.parametrize(
    ("override", "allowed"),
    [
        ("base=sdlx", "base"),
        ("sampling=fewstep", "sampling"),
        ("scheduler=tdc", "scheduler"),
        ("loras=[tdc]", "loras"),
        ("output=pgn", "output"),
        ("runtime=gpu", "runtime"),
        ("experiment=nothing_of_this_name", "experiment"),
        ("base=null", "base"),
    ],
)
def test_every_option_of_a_group_is_named(override: str, allowed: str, composer: Composer) -> None:
    (problem,) = problems(composer, override)
    options = composer.options(allowed)
    assert len(options) >= 2
    assert ", ".join(options) in problem.what


def test_an_unknown_key_with_no_near_one_lists_those_that_are_known(composer: Composer) -> None:
    (problem,) = problems(composer, "sampling.xyzzy=1")
    assert "known are description, steps, eta, guidance_scale, seed" in problem.what


def test_all_mistakes_are_told_at_once(composer: Composer) -> None:
    said = ["base=sdlx", "loras=[tdc]", "sampling.stpes=4", "sampling.eta=1.5", "prompt=", "runtime.dtype=int8"]
    found = problems(composer, *said)
    assert {problem.origin for problem in found} == set(said)


def test_a_rule_between_fields_is_told_of_the_override_that_broke_it(composer: Composer) -> None:
    found = problems(composer, "sampling.steps=51", "sampling.height=100")
    assert {(problem.key, problem.origin) for problem in found} == {
        ("sampling.steps", "sampling.steps=51"),
        ("sampling.height", "sampling.height=100"),
    }


def test_what_is_wrong_with_several_cells_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["check", "-m", "sampling.steps=1,2,3", "sampling.eta=0.5,2", "sampling.width=60,64"]) == 2
    head, *lines = capfd.readouterr().err.splitlines()
    assert head == "tcdflow: 2 things are wrong:"
    assert sorted(line.split()[0] for line in lines) == ["sampling.eta", "sampling.width"]


class TestText:
    """How a problem reads."""

    def test_everything_that_is_known_is_said(self) -> None:
        problem = Problem("base", "must be one of emoji, sdxl", "sdlx", origin="base=sdlx", nearest="sdxl")
        assert str(problem) == "base = 'sdlx': must be one of emoji, sdxl; did you mean 'sdxl'? [base=sdlx]"

    def test_nothing_that_is_not(self) -> None:
        assert str(Problem("base", "is required")) == "base: is required"

    def test_a_long_value_is_cut(self) -> None:
        assert len(str(Problem("prompt", "is bad", "x" * 10_000))) < 120

    def test_it_is_one_line(self) -> None:
        assert "\n" not in str(Problem("prompt", "is bad", "a\nb", origin="prompt=a"))

    @pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "\u202e", "\x9b31m", "\r"])
    def test_it_cannot_drive_a_terminal(self, text: str) -> None:
        assert text not in str(Problem(text, text, text, origin=text))
        assert printable(f"plain {text}").isprintable()

    def test_several_are_counted(self, capfd: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["sampling.eta=2", "sampling.steps=0"]) == 2
        out, err = capfd.readouterr()
        assert (out, err.splitlines()[0], len(err.splitlines())) == ("", "tcdflow: 2 things are wrong:", 3)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Euler a", "euler_ancestral"),
        ("euler_a", "euler_ancestral"),
        ("k_euler", "euler"),
        ("DPM++ 2M", "dpmpp_2m"),
        ("dpm++_2m", "dpmpp_2m"),
        ("DPMSolverMultistepScheduler", "dpmpp_2m"),
        ("DPMSolverSinglestepScheduler", "dpmpp_2s"),
        ("EulerDiscreteScheduler", "euler"),
    ],
)
def test_a_sampler_by_the_name_that_other_tools_give_it(composer: Composer, written: str, meant: str) -> None:
    (problem,) = problems(composer, f"scheduler='{written}'")
    assert (problem.nearest, "karras" in problem.what) == (meant, False)


@pytest.mark.parametrize("written", ["DPM++ 2M Karras", "dpmpp_2m_karras"])
def test_the_noise_levels_in_a_sampler_s_name(composer: Composer, written: str) -> None:
    (problem,) = problems(composer, f"scheduler='{written}'")
    assert problem.nearest == "dpmpp_2m"
    assert "scheduler.use_karras_sigmas=true" in problem.what


def test_every_sampler_is_found_by_its_name_in_the_web_ui() -> None:
    assert {part.a1111_name: called_elsewhere(part.a1111_name) for part in SCHEDULERS.values()} == {
        part.a1111_name: (name, False) for name, part in SCHEDULERS.items()
    }


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("base=runwayml/stable-diffusion-v1-5", "base.source=..."),
        ("base=sd_xl_base_1.0.safetensors", "base.source=..."),
        ("loras=[ink.safetensors]", "loras.NAME.source=..."),
    ],
)
def test_a_file_in_place_of_a_preset(composer: Composer, text: str, key: str) -> None:
    (problem,) = problems(composer, text)
    assert problem.what.endswith(f"; a file, folder or id of the hub is given as {key}")
    assert problem.nearest is None
