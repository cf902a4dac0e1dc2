"""What looks like syntax and is none: it is told, with what to write."""

from __future__ import annotations

import pytest

from tcdflow.config.compose import Composer
from tcdflow.config.overrides import quoted as in_hydras_quotes
from tcdflow.embedded.vocabulary import Finding
from tcdflow.prompts.tags import lora_tags, unread
from tcdflow.record.a1111 import parameters
from tcdflow.request.prepare import Preparer
from tcdflow.request.request import Request
from tests.helpers import compose


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a <lora:ink:0.8>", "loras.ink.source=FILE loras.ink.weight=0.8 in its place, or loras=[tcd,ink]"),
        ("<lora:ink>", "loras.ink.weight=1 "),
        ("<LoRA:My Style v1.2:0.7:0.5>", "loras.My_Style_v1_2.weight=0.7 "),
        ("<lyco:3d:1:lbw=OUTALL>", "loras.lora_3d.weight=1 "),
        ("<lora:tcd:1>", "tcd is in the stack already, with loras.tcd.weight; remove the tag"),
        ("<hypernet:x:1>", "hypernetworks are not supported"),
    ],
)
def test_a_tag_is_answered_with_what_to_write(text: str, found: str) -> None:
    (said,) = lora_tags(text, ["tcd"])
    assert "loads nothing and is read as words" in said
    assert found in said


def test_every_warning_quotes_a_prompt_in_one_way(composer: Composer) -> None:
    odd = "x\u202e\n'y"
    prompt = f"<lora:{odd}:1> ({odd}:1.2) {{{odd}|b}} {'word ' * 20}{odd}"
    request = Request.composed(composer.compose([f"prompt={in_hydras_quotes(prompt)}"]))
    told = [text for text in Preparer()(request).warnings if "\\u202e" in text]
    assert len(told) == 4
    assert all(r"x\u202e 'y" in text for text in told), told
    assert all(text.isprintable() for text in told)


def test_what_a_base_cannot_draw_is_quoted_so_too() -> None:
    assert str(Finding("\u202e it's", "names none of them")) == r"'\u202e it's' names none of them"


@pytest.mark.parametrize("text", ["a <cat-toy>", "<lora>", "a < b > c", "x:lora:y"])
def test_what_is_no_tag(text: str) -> None:
    assert list(lora_tags(text, [])) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a (word:1.2)", ["prompt_encoding.weights=a1111"]),
        ("((word)), [[other]]", ["prompt_encoding.weights=a1111"]),
        ("word++ here", ["prompt_encoding.weights=compel"]),
        ("a (cat)1.3", ["prompt_encoding.weights=compel"]),
        ("a BREAK b", ["prompt_encoding.long=chunk"]),
        ("a {red|blue} cat", ["sweep.wildcards"]),
        ("a __colours__ cat", ["sweep.wildcards"]),
        ("(a:1.1) b-- BREAK", ["weights=a1111", "weights=compel", "long=chunk"]),
        ("a cat (orange), at 10:30 (or 11:15?)", []),
        ("well-lit, 4k, x-ray; snake_case {a} [b] a|b - c", []),
        ("<lora:x:1.2> breakfast", []),
        ("embedding:toy, a cat", ["write toy alone, and give its file as embeddings.NAME.source with embeddings.NAME"]),
        ("(Embedding:bad-hands-5.pt:1.2)", ["prompt_encoding.weights=a1111", "embeddings.NAME.token=bad-hands-5"]),
        ("word embedding: a cat", []),
    ],
)
def test_syntax_that_is_off_is_told(text: str, found: list[str]) -> None:
    said = list(unread(text, weights="none", breaks=False))
    assert len(said) == len(found)
    assert all(key in one for key, one in zip(found, said, strict=True))


def test_syntax_that_is_on_is_not() -> None:
    assert list(unread("(a:1.2) b++ BREAK", weights="a1111", breaks=True)) == []


@pytest.mark.parametrize("text", ["[cat:dog:0.5]", "[cat::0.5]", "[cat|dog]", "a cat AND a dog"])
def test_what_the_web_ui_switches_is_told(text: str) -> None:
    (said,) = unread(text, weights="a1111", breaks=True)
    assert "neither switched nor joined" in said


@pytest.mark.parametrize("mark", ["(", "{|", "[:", "[|", ":1", "__a", "+", "a++b", "<lora:", "(a:1"])
def test_long_nonsense_takes_no_time(mark: str) -> None:
    text = mark * (20_000 // len(mark))
    list(unread(text, weights="none", breaks=False))
    list(unread(text, weights="a1111", breaks=False))
    list(lora_tags(text, []))


class TestWarnings:
    def test_of_a_run(self, composer: Composer) -> None:
        said = "\n".join(compose_warnings(composer, "prompt=a red heart <lora:ink:0.5>", "sampling.guidance_scale=2"))
        assert "prompt: '<lora:ink:0.5>' loads nothing" in said

    def test_a_negative_prompt_counts_where_it_has_effect(self, composer: Composer) -> None:
        told = ["prompt=a red heart", "negative_prompt=(ugly:1.3)"]
        assert not any("a1111" in one for one in compose_warnings(composer, *told))
        assert any("negative_prompt: '(ugly:1.3)'" in one for one in compose_warnings(composer, *told, GUIDED))

    def test_an_embedding_that_no_prompt_names(self, composer: Composer) -> None:
        own = ["embeddings.bad.source=bad.safetensors", "negative_prompt=bad", "loras=[]"]
        assert any("embeddings.bad has no effect" in one for one in compose_warnings(composer, *own))
        assert not any("embeddings.bad has no effect" in one for one in compose_warnings(composer, *own, GUIDED))


GUIDED = "sampling.guidance_scale=3"


def compose_warnings(composer: Composer, *overrides: str) -> list[str]:
    from tcdflow.spec import rules

    return list(rules.warnings(compose(composer, *overrides).spec))


def test_no_tag_of_a_lora_that_was_not_loaded_is_written(composer: Composer) -> None:
    spec = compose(composer, "prompt=a <lora:ink:0.5> heart", "negative_prompt=<lyco:x:1>b", GUIDED).spec
    first, negative, _ = parameters(spec, [], 0).splitlines()
    assert (first, negative) == ("a  heart <lora:tcd:1>", "Negative prompt: b")


@pytest.mark.parametrize(
    ("family", "skip", "written"),
    [("sd15", 1, "Clip skip: 2"), ("sd21_base", 1, "Clip skip: 3"), ("sdxl", 1, "Clip skip: 3"), ("sdxl", None, None)],
)
def test_clip_skip_is_written_as_the_web_ui_counts(
    composer: Composer, family: str, skip: int | None, written: str | None
) -> None:
    """There the last layer is 1; SDXL and SD 2 use the last but one unless told otherwise."""
    words = ["prompt=x", f"base={family}", "loras=[]", f"sampling.clip_skip={'null' if skip is None else skip}"]
    pairs = parameters(compose(composer, *words).spec, [], 0).splitlines()[-1].split(", ")
    assert [pair for pair in pairs if pair.startswith("Clip skip")] == ([written] if written else [])


@pytest.mark.parametrize("karras", [True, False])
def test_the_noise_levels_are_written_as_the_web_ui_calls_them(composer: Composer, karras: bool) -> None:
    words = ["prompt=x", "scheduler=dpmpp_2m", "loras=[]", f"scheduler.use_karras_sigmas={karras}"]
    text = parameters(compose(composer, *words).spec, [], 0)
    assert ("Sampler: DPM++ 2M, " in text, "Schedule type: Karras" in text) == (True, karras)
