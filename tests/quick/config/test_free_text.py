"""Prompts, paths and addresses as people type them: taken as they stand, or answered with the quoting that works."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcdflow.config.axes import axes
from tcdflow.config.compose import Composer
from tcdflow.config.overrides import FREE_TEXT, as_typed, parse
from tcdflow.errors import ConfigError
from tcdflow.spec.free_text import free_text, place_of
from tcdflow.spec.keys import keys
from tcdflow.spec.model import RunSpec
from tests.helpers import examples, problems

TYPED = [
    "~/a.png",
    "写真.png",
    "it's.png",
    'a "quoted" name.png',
    "My LoRA [v1.2] (SDXL).safetensors",
    "a+b&c.png",
    "https://example.org/i.png?x=1&y=2,3",
    "C:\\images\\a.png",
    "a=b.png",
    "{x}.png",
    "1,2.png",
    "glob(*)",
    "50% off!.png",
    "[x].png",
]
PATHS = ["task.image", "loras.tcd.source", "base.source", "runtime.tiny_vae", "hydra.run.dir", "lock", "output.name"]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("prompt", "text"),
        ("negative_prompt", "text"),
        ("task.image", "text"),
        ("task.mask", "text"),
        ("base.source", "text"),
        ("base.config", "text"),
        ("loras.any.source", "text"),
        ("loras.any.sources.sd15", "text"),
        ("adapters.any.image", "text"),
        ("adapters.any.images", "list"),
        ("adapters.any.preprocessor.source", "text"),
        ("runtime.tiny_vae", "text"),
        ("sweep.prompts_from", "text"),
        ("output.description", "text"),
        ("sampling.seed", None),
        ("scheduler.name", None),
        ("runtime.device", None),
        ("output.format", None),
        ("loras.any.weight", None),
        ("sweep.name", "text"),
        ("sweep.axes", None),
        ("no.such.key", None),
        ("", None),
        ("loras", None),
    ],
)
def test_which_keys_take_any_text(key: str, kind: str | None) -> None:
    assert free_text(key) == kind
    assert (key in FREE_TEXT) == (kind is not None)


def test_which_keys_name_files() -> None:
    found = {key.name: known.holds for key in keys(RunSpec) if (known := place_of(key.name))}
    assert found == {
        "adapters.NAME.config": "weights",
        "adapters.NAME.image": "images",
        "adapters.NAME.image_encoder": "weights",
        "adapters.NAME.images": "images",
        "adapters.NAME.preprocessor.source": "weights",
        "adapters.NAME.source": "weights",
        "base.config": "weights",
        "base.source": "weights",
        "base.vae": "weights",
        "embeddings.NAME.source": "weights",
        "loras.NAME.source": "weights",
        "runtime.tiny_vae": "weights",
        "task.image": "images",
        "task.mask": "images",
    }


class TestOneRun:
    @pytest.mark.parametrize("key", PATHS)
    @pytest.mark.parametrize("text", TYPED)
    def test_the_rest_of_the_word_is_the_value(self, key: str, text: str) -> None:
        assert parse(f"{key}={text}").value() == text

    @pytest.mark.parametrize("text", TYPED)
    def test_it_arrives(self, text: str, composer: Composer) -> None:
        said = ["task=image_to_image", f"++task.image={text}", f"loras.mine.source={text}"]
        spec = composer.compose(said).spec
        assert (spec.task.model_dump()["image"], spec.loras["mine"].source) == (text, text)

    def test_a_list_is_read_where_one_can_stand(self) -> None:
        assert parse("adapters.ip_adapter.images=[a.png,b.png]").value() == ["a.png", "b.png"]
        assert parse("adapters.ip_adapter.images=it's.png").value() == "it's.png"

    def test_a_list_that_cannot_be_read_is_answered(self) -> None:
        with pytest.raises(ValueError, match="cannot be read as a list; write ") as caught:
            parse("adapters.ip_adapter.images=[写真.png, a.png]")
        (typed,) = shlex.split(str(caught.value).partition("write ")[2])
        assert parse(typed).value() == ["写真.png", "a.png"]

    def test_null_is_no_value(self) -> None:
        assert parse("runtime.tiny_vae=null").value() is None


class TestASweep:
    @pytest.mark.parametrize("text", [text for text in TYPED if "," not in text])
    def test_without_a_comma_it_is_one_value(self, text: str, composer: Composer) -> None:
        assert "glob" in text or parse(f"loras.tcd.source={text}", sweeping=True).value() == text

    @settings(max_examples=examples(0.4))
    @given(st.text(st.sampled_from("ab, é写'\"()[]{}:=&+\\?~!"), min_size=1, max_size=20))
    def test_what_cannot_be_read_comes_with_the_quoting_that_works(self, text: str) -> None:
        key = "prompt"
        try:
            parse(f"{key}={text}", sweeping=True)
        except ValueError as error:
            said = str(error).partition("write one value: ")[2]
            one, _, several = said.partition(", or several: ")
            (typed,) = shlex.split(one)
            assert parse(typed, sweeping=True).value() == text
            if several:
                (typed,) = shlex.split(several)
                assert parse(typed, sweeping=True).is_sweep_override()

    def test_a_cell_has_the_text_that_was_swept(self, composer: Composer) -> None:
        found = axes(composer, ["loras.tcd.source='a, b [1].safetensors',it\\ is"])
        texts = [point.text for (point,) in found.axes[0]]
        assert [parse(text).value() for text in texts] == ["a, b [1].safetensors", "it is"]

    @pytest.mark.parametrize("key", ["hydra.sweep.dir", "lock", "sweep.prompts_from"])
    def test_what_holds_for_the_whole_is_not_split(self, key: str) -> None:
        assert parse(f"{key}=a, b.txt", sweeping=True).value() == "a, b.txt"

    def test_a_prompt_split_at_its_commas_is_told(self, composer: Composer) -> None:
        (told,) = axes(composer, ["prompt=a fox, in snow, at dawn", "sampling.seed=1,2"]).told
        assert told.startswith("prompt is 3 values, split at commas: 'a fox', 'in snow', 'at dawn'; as one value ")
        (typed,) = shlex.split(told.rpartition("it is written ")[2])
        assert parse(typed, sweeping=True).value() == "a fox, in snow, at dawn"

    @pytest.mark.parametrize("said", ["prompt='a, b','c, d'", "prompt=a,b", "prompt='a, b',c", "sampling.eta=0, 1"])
    def test_values_that_were_meant_are_not(self, said: str, composer: Composer) -> None:
        assert axes(composer, [said]).told == ()


def test_quotes_as_a_shell_takes_them() -> None:
    assert as_typed("prompt", "a, b") == "'prompt=\"a, b\"'"
    assert shlex.split(as_typed("prompt", 'it\'s "a"\\', "b"))[0].startswith("prompt='it\\'s")


class TestNoSecondMessage:
    """What was refused is said, and nothing that would not be true with it."""

    @pytest.mark.parametrize(
        "said",
        [
            ["task=inpaintng", "task.mask=a.png"],
            ["base=sdlx", "loras=[papercut]"],
            ["loras=[tdc]", "loras.tdc.weight=0.5"],
            ["experiment=controlnet_kanny", "adapters.canny.image=a.png"],
            ["sampling.steps=(4"],
            ["adapters=[kanny]", "adapters.canny.scale=0.5"],
        ],
    )
    def test_of_what_was_refused(self, said: list[str], composer: Composer) -> None:
        assert len(problems(composer, *said)) == 1

    def test_other_mistakes_are_still_told(self, composer: Composer) -> None:
        found = problems(composer, "base=sdlx", "sampling.eta=2", "sampling.stpes=1")
        assert {problem.key for problem in found} == {"base", "sampling.eta", "sampling.stpes"}


def test_axes_without_a_sweep_are_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "experiment").mkdir()
    text = "# @package _global_\nsweep:\n  axes: {sampling.steps: [2, 4]}\n  prompts_from: p.txt\n"
    (folder / "experiment" / "mine.yaml").write_text(text)
    composer = Composer(folder)
    (told,) = composer.compose(["experiment=mine"]).warnings
    assert re.search(r"axes of sampling\.steps .* prompts from p\.txt .* -m makes them all", told)
    assert composer.compose(["experiment=mine"], of_sweep=True).warnings == ()


def test_a_displaced_axis_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "experiment").mkdir()
    (folder / "experiment" / "mine.yaml").write_text("# @package _global_\nsweep: {axes: {sampling.steps: [2, 4]}}\n")
    found = axes(Composer(folder), ["experiment=mine", "sampling.steps=8", "sampling.seed=1,2"])
    assert found.told == ("sampling.steps=8 takes the place of the axis sampling.steps = [2, 4] in sweep.axes",)


def test_a_grammar_error_of_another_key_keeps_its_words(composer: Composer) -> None:
    with pytest.raises(ConfigError, match=r"^sampling\.eta: cannot be read: "):
        composer.compose(["sampling.eta=(1"])


def test_a_number_of_another_key_is_text_where_one_is_wanted(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One that stands there itself may have been written otherwise, such as 1_000, before YAML read it."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "experiment").mkdir()
    file = folder / "experiment" / "mine.yaml"
    file.write_text("# @package _global_\nprompt: ${sampling.steps}\noutput: {name: '${sampling.seed}'}\n")
    spec = Composer(folder).compose(["experiment=mine", "sampling.steps=7", "sampling.seed=3"]).spec
    assert (spec.prompt, spec.output.name) == ("7", "3")
    file.write_text("# @package _global_\nprompt: 1_000\n")
    (wrong,) = problems(Composer(folder), "experiment=mine")
    assert wrong.key == "prompt" and "put quotes around it" in wrong.what
