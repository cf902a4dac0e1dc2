"""``tcdflow show --python``: texts of a spec never become code, and what cannot be written is refused by name."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tcdflow.cli.command import dispatch
from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.parts.families.stable_diffusion import StableDiffusion
from tcdflow.rerun.source import find
from tcdflow.script.files import Files
from tcdflow.script.images import Given
from tcdflow.script.recorded import script_of
from tcdflow.script.write import Known, write
from tcdflow.spec.adapter import Adapter
from tcdflow.spec.family import Family
from tcdflow.spec.model import RuntimeSpec
from tcdflow.spec.preprocessor import Preprocessor
from tcdflow.spec.script import Lines, ScriptFiles, literal
from tcdflow.spec.task import Task
from tests.helpers import examples, prepared
from tests.quick.show.conftest import Recorded

HOSTILE = [
    "'''\nimport os\n#",
    '"""',
    "\\",
    "'\"",
    "\\'\"\n",
    "x\u2028y",
    "\r1/0",
    "{seed}",
    "${base}",
    "\x1b[2J",
    "\ud800",
]
TEXTS = st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=20)
JOB = prepared(Composer().compose(["prompt=benign", "sampling.guidance_scale=2", "negative_prompt=no"]))


def script(prompt: str, negative: str, about: str = "about") -> str:
    spec = JOB.spec.model_copy(update={"prompt": prompt, "negative_prompt": negative})
    return write(type(JOB)(JOB.request, spec, JOB.files, JOB.lock), Known((about,)))


def texts(tree: ast.AST) -> dict[str, Any]:
    """Take the texts of the prompts out of a script, and return them."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("prompt", "negative_prompt"):
            assert isinstance(node.value, ast.Constant)
            found[node.arg], node.value.value = node.value.value, ""
    return found


@settings(max_examples=examples(1))
@given(prompt=TEXTS, negative=TEXTS, about=TEXTS)
def test_texts_of_a_record_never_become_code(prompt: str, negative: str, about: str) -> None:
    tree, plain = ast.parse(script(prompt, negative, about)), ast.parse(script("benign", "no"))
    assert texts(tree) == {"prompt": prompt, "negative_prompt": negative}
    texts(plain)
    assert ast.dump(tree) == ast.dump(plain)


VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(VALUES)
def test_values_are_what_they_were(value: Any) -> None:
    assert ast.literal_eval(literal(value)) == value


def test_what_a_record_says_of_its_environment_stays_a_comment(recorded: Recorded) -> None:
    run = recorded("prompt=a fox")
    plain = json.loads((run / "run.json").read_text())
    plain["environment"] |= {"device": "cpu\nimport os", "device_name": "x\n1/0", "threads": "2)\n1/0"}
    plain["environment"]["packages"] = {"torch": "2\n1/0", "diffusers": ["\n1/0"]}
    (run / "run.json").write_text(json.dumps(plain))
    assert "1/0" not in ast.unparse(ast.parse(script_of(find(run))))


def test_the_record_s_device_threads_and_pixels_are_in_it(
    recorded: Recorded, capfd: pytest.CaptureFixture[str]
) -> None:
    run = recorded("prompt=a fox", "sampling.seed=[3,5]")
    plain = json.loads((run / "run.json").read_text())
    plain["environment"] |= {"device": "cpu", "threads": 3}
    (run / "run.json").write_text(json.dumps(plain))
    assert dispatch(["show", str(run), "--python"]) == 0
    text = capfd.readouterr().out
    assert "torch.set_num_threads(3)" in text
    assert 'device = "cpu"\ndtype = torch.float32' in text
    assert text.count(plain["outputs"][0]["pixel_sha256"]) == 2, "both images are the same"
    assert "seeds = [3, 5]" in text


def test_an_image_alone_leaves_the_device_to_the_machine(recorded: Recorded) -> None:
    run = recorded("prompt=a fox", "sampling.seed=[3,5]")
    (run / "run.json").unlink()
    text = script_of(find(run / "001.png"))
    assert "seeds = [5]" in text
    assert "torch.cuda.is_available()" in text
    assert "set_num_threads" not in text


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        ({"device": "cuda:1"}, ['device = "cuda:1"', "dtype = torch.float16", "pipe.to(device)"]),
        ({"device": "cuda", "dtype": "bfloat16"}, ["dtype = torch.bfloat16"]),
        (
            {"device": "cuda", "offload": "model"},
            ["part.to(device)", "pipe.fuse_lora", "pipe.enable_model_cpu_offload(device=device)"],
        ),
        ({"device": "cuda", "offload": "sequential"}, ["pipe.enable_sequential_cpu_offload(device=device)"]),
        ({"device": "cuda", "offload": "group"}, ["pipe.enable_group_offload", "use_stream", "pipe.vae.enable_group"]),
        ({"device": "cuda", "deterministic": True, "tf32": True}, ["enable_full_determinism()", "allow_tf32 = True"]),
        ({"vae_slicing": True, "vae_tiling": True}, ["pipe.vae.enable_slicing()", "pipe.vae.enable_tiling()"]),
    ],
)
def test_runtime_options_stand_in_the_order_of_a_run(runtime: dict[str, Any], said: list[str]) -> None:
    options = RuntimeSpec.model_validate(runtime)
    spec = JOB.spec.model_copy(update={"runtime": options})
    text = write(type(JOB)(JOB.request, spec, JOB.files, JOB.lock))
    ast.parse(text)
    places = [text.index(one) for one in said]
    assert places == sorted(places)
    assert ("pipe.to(device)" in text) is (options.offload == "none")


def test_files_of_the_hub_s_cache_are_named_by_their_repository() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    root = Path(f"/home/x/hub/models--owner--some.name/snapshots/{commit}/unet")
    found = Artifact("base", str(root), None, root, ("x.safetensors",), single=False)
    files = Files(type(JOB)(JOB.request, JOB.spec, Artifacts.of([found])), Given())
    assert files.where("base") == f"owner/some.name at {commit}"


def refused(spec_or_call: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        spec_or_call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "what"),
    [
        (["prompt_encoding.weights=a1111"], "prompt_encoding.weights=a1111"),
        (["prompt_encoding.long=chunk"], "prompt_encoding.long=chunk"),
        (["lora_stack.merge={method: cat}"], "lora_stack.merge.method=cat"),
    ],
)
def test_what_has_no_few_lines_is_refused(composer: Composer, overrides: list[str], what: str) -> None:
    job = prepared(composer.compose(["prompt=a fox", *overrides]))
    assert f"--python cannot write {what} yet" in refused(lambda: write(job))


class ToyTask(Task):
    """A part that says nothing of scripts."""

    name: Literal["toy"] = "toy"


class ToyAdapter(Adapter):
    """Another one."""

    kind: Literal["toy"] = "toy"


TOY = ToyAdapter(kind="toy", family="emoji", source="a/b")


class ToyPreprocessor(Preprocessor):
    """And one more."""

    name: Literal["toy"] = "toy"

    def __call__(self, image: Image.Image, *_: Any) -> Image.Image:
        return image


class ToyFamily(Family):
    """And a last one."""

    denoiser = encode = StableDiffusion.encode  # type: ignore[assignment]


class NoFiles:
    """Names nothing."""

    size = (64, 64)


def test_a_part_that_says_nothing_of_scripts_is_refused_by_name() -> None:
    files: ScriptFiles = NoFiles()  # type: ignore[assignment]
    wrong = {
        "task 'toy'": lambda: ToyTask().script(files),
        "preprocessor 'toy'": lambda: ToyPreprocessor().script("image", "adapters.a.preprocessor", files),
        "adapter 'toy'": lambda: ToyAdapter.script({"a": TOY}, files, JOB.spec),
        "family 'emoji'": lambda: ToyFamily().script(JOB.spec),
    }
    for name, write_it in wrong.items():
        assert f"--python cannot write {name} yet" in refused(write_it)


def test_adapters_do_not_share_a_variable() -> None:
    spec = JOB.spec.model_copy(update={"adapters": {"a-b": TOY, "a_b": TOY}})
    job = type(JOB)(JOB.request, spec, JOB.files, JOB.lock)
    assert "differ in - and _ alone" in refused(lambda: write(job))


def test_lines_add_up() -> None:
    lines = Lines(call={"a": "1"}, inputs=["x"])
    lines.use("torch")
    other = Lines(call={"b": "2"}, inputs=["y"], per_image={"a"})
    other.use("torch", "nn")
    lines.add(other)
    assert (lines.call, lines.inputs, lines.per_image) == ({"a": "1", "b": "2"}, ["x", "y"], {"a"})
