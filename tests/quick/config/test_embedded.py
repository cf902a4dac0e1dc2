"""The models that ship with the package: their files, and what their vocabularies make of a prompt."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow import embedded
from tcdflow.cli.command import dispatch
from tcdflow.embedded import Vocabulary

EMOJI, ICONS = embedded.vocabulary("emoji"), embedded.vocabulary("icons")
MEBIBYTE = 2**20


def words_of(vocabulary: Vocabulary) -> list[str]:
    found = (*vocabulary.styles, *vocabulary.colours, "brown", "and", "on", "background", "a", ",", "of")
    return [*found, *vocabulary.subjects[::20]]


subjects = st.sampled_from(EMOJI.subjects)
colours = st.sampled_from(EMOJI.backgrounds)
articles = st.sampled_from(["a", "an", "A", "An"])


def safetensors_header(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: dict[str, object] = json.loads(file.read(length))
    return header


class TestFiles:
    """What each embedded model consists of."""

    @pytest.mark.parametrize("name", embedded.MODELS)
    def test_a_model_is_a_whole_pipeline(self, name: str) -> None:
        folder = embedded.model_path(name)
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        parts = {part for part, value in index.items() if isinstance(value, list) and value[0]}
        assert parts >= {"unet", "vae", "text_encoder", "tokenizer", "scheduler"}
        assert all(any((folder / part).iterdir()) for part in parts)

    @pytest.mark.parametrize("name", embedded.MODELS)
    def test_every_weight_is_safetensors(self, name: str) -> None:
        files = [path for path in embedded.model_path(name).rglob("*") if path.is_file()]
        weights = [path for path in files if path.suffix == ".safetensors"]
        assert embedded.lora_path(name) in weights
        assert len(weights) == 4  # UNet, VAE, text encoder, LoRA
        assert all(len(safetensors_header(path)) > 10 for path in weights)
        assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt", ".md", ""}

    @pytest.mark.parametrize("name", embedded.MODELS)
    def test_a_clone_stays_light(self, name: str) -> None:
        files = [path for path in embedded.model_path(name).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 30 * MEBIBYTE

    @pytest.mark.parametrize(
        ("name", "origins"),
        [
            ("emoji", ("Noto Color Emoji", "Open Font License 1.1")),
            ("icons", ("@iconify-json/noto", "@iconify-json/fluent-emoji-flat", "MIT")),
        ],
    )
    def test_the_card_names_licence_and_origin(self, name: str, origins: tuple[str, ...]) -> None:
        card = (embedded.model_path(name) / "MODEL_CARD.md").read_text(encoding="utf-8")
        for fact in ("Apache License 2.0", "## Limits", f"# {name} {embedded.version(name)}:", *origins):
            assert fact in card

    @pytest.mark.parametrize(
        "lookup",
        [embedded.model_path, embedded.lora_path, embedded.version, embedded.vocabulary],
    )
    def test_an_unknown_name_is_answered_with_those_that_exist(self, lookup: object) -> None:
        assert callable(lookup)
        with pytest.raises(ValueError, match=r"'emojy'.*there is: emoji"):
            lookup("emojy")

    def test_looking_up_imports_nothing_heavy(self) -> None:
        code = (
            "import sys; from tcdflow import embedded; embedded.advice('emoji', 'a unicycle');"
            "print(*sorted({'torch', 'diffusers', 'transformers', 'numpy'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ""


class TestReading:
    """What a prompt says, in the model's own words."""

    def test_the_vocabulary_is_what_the_model_was_taught(self) -> None:
        assert len(EMOJI.subjects) == len(set(EMOJI.subjects)) == 210
        assert EMOJI.backgrounds == ("white", "red", "blue", "green", "yellow", "pink", "black")

    @given(articles, subjects, st.none() | colours)
    def test_every_training_caption_passes(self, article: str, subject: str, colour: str | None) -> None:
        background = f" on a {colour} background" if colour else ""
        prompt = f"{article} {subject}{background}"
        reading = EMOJI.read(prompt)
        assert (reading.subjects, reading.background, reading.findings) == ((subject,), colour, ())
        assert reading.as_trained
        assert EMOJI.advice(prompt, model="emoji") is None

    @given(st.text())
    def test_any_text_is_read(self, prompt: str) -> None:
        fine = EMOJI.read(prompt).as_trained or not prompt.strip()
        assert (EMOJI.advice(prompt, model="emoji") is None) == fine

    @given(
        st.sampled_from(["{}", "the {}", "{} emoji", "IMAGE OF A {}", "a photo of an {}!", "one {}"]),
        subjects,
    )
    def test_a_known_subject_in_other_words_is_known(self, wording: str, subject: str) -> None:
        reading = EMOJI.read(wording.format(subject))
        assert (reading.subjects, reading.findings) == ((subject,), ())

    @given(subjects, st.sampled_from(["the {}", "{}", "an image of a {}", "a {} emoji", "a {}, red background"]))
    def test_advice_is_a_caption_that_passes(self, subject: str, wording: str) -> None:
        reading = EMOJI.read(wording.format(subject))
        assert not reading.as_trained
        assert reading.caption is not None
        assert EMOJI.read(reading.caption).as_trained
        assert reading.caption in (EMOJI.advice(wording.format(subject), model="emoji") or "")

    @pytest.mark.parametrize(
        ("prompt", "subject"),
        [
            ("dogs", "dog"),
            ("foxes", "fox"),
            ("wolves on a red background", "wolf"),
            ("the mice", "mouse"),
            ("hot dogs", "hot dog"),
            ("police cars", "police car"),
            ("wine glasses", "wine glass"),
            ("glasses", "glasses"),
            ("T-shirts", "t shirt"),
            ("buses", "bus"),
            ("cherries", "cherries"),
        ],
    )
    def test_plurals(self, prompt: str, subject: str) -> None:
        reading = EMOJI.read(prompt)
        assert (reading.subjects, reading.findings) == ((subject,), ())

    @pytest.mark.parametrize(
        ("prompt", "unknown"),
        [
            ("a red heart", []),
            ("a fox on a green background", []),
            ("the grinning face", []),
            ("face with heart eyes on a pink background", []),
            ("", []),
            ("a unicycle", ["unicycle"]),
            ("a green dog", ["green"]),
            ("a cat and a dog", ["cat and dog"]),
            ("a fox on a purple background", ["purple background"]),
            ("a fox on a red background, on a blue background", ["red and blue"]),
            ("a heart", ["heart"]),
            ("a glass", ["glass"]),
            ("two dogs", ["two"]),
            ("a dog with a unicycle", ["unicycle"]),
            ("beautiful woman, epic composition", ["beautiful woman", "epic composition"]),
            ("a red background", ["a red background"]),
            ("собака", ["собака"]),
            ("\N{FOX FACE}", ["\N{FOX FACE}"]),
        ],
    )
    def test_what_it_cannot_know_is_named(self, prompt: str, unknown: list[str]) -> None:
        assert embedded.unknown_words("emoji", prompt) == unknown

    @pytest.mark.parametrize(
        ("text", "first"),
        [
            ("unicycle", "bicycle"),
            ("apple", "red apple"),
            ("donut", "doughnut"),
            ("cup coffee", "coffee cup"),
        ],
    )
    def test_the_nearest_name_comes_first(self, text: str, first: str) -> None:
        assert EMOJI.nearest(text)[0] == first

    def test_nothing_is_near_to_nonsense(self) -> None:
        assert EMOJI.nearest("qqqq") == ()


class TestStylesAndColours:
    """What a vocabulary makes of a prompt that says more than a subject and its background."""

    @given(
        st.sampled_from(ICONS.wordings),
        st.none() | st.sampled_from(ICONS.styles),
        st.none() | st.sampled_from(ICONS.colours),
        st.sampled_from([subject for subject in ICONS.subjects if " " not in subject]),
        st.none() | st.tuples(st.sampled_from(ICONS.grounds), st.sampled_from(ICONS.backgrounds)),
    )
    def test_every_wording_of_the_training_passes(
        self, wording: str, style: str | None, colour: str | None, subject: str, ground: tuple[str, str] | None
    ) -> None:
        text = wording.replace("SUBJECT", " ".join(filter(None, (style, colour, subject))))
        if ground:
            text = ground[0].replace("SUBJECT", text).replace("BACKGROUND", ground[1])
        reading = ICONS.read(text)
        known = f"{colour} {subject}" in ICONS.subjects  # "red heart" is a subject of its own
        assert reading.subjects == ((f"{colour} {subject}",) if known else (subject,))
        assert (reading.style, reading.colour) == (style, None if known else colour)
        assert reading.background == (ground[1] if ground else None)
        assert reading.as_trained
        assert embedded.advice("icons", text) is None
        assert ICONS.read(reading.caption or "") == replace(reading, prompt=reading.caption or "")

    @given(st.text() | st.lists(st.sampled_from(words_of(ICONS))).map(" ".join))
    def test_any_text_is_read(self, prompt: str) -> None:
        fine = ICONS.read(prompt).as_trained or not prompt.strip()
        assert (ICONS.advice(prompt, model="icons") is None) == fine

    @pytest.mark.parametrize(
        ("prompt", "told"),
        [
            ("a blue apple", None),
            ("flat orange owl on pink", None),
            ("an icon of a glass of milk, yellow background", None),
            ("blue flat owl", "write 'a flat blue owl'"),
            ("foxes", "write 'a fox'"),
            ("a fox in green", "write 'a green fox'"),
            ("a brown fox", "'brown' is not a colour that it knows"),
            ("a green red apple", "'green' cannot be chosen: a red apple has its own colour"),
            ("a red blue fox", "'red and blue' are more than one colour"),
            ("a flat shaded fox", "'flat and shaded' are more than one style"),
            ("a fox on an orange background", "'orange background' is not one that it knows"),
            ("a watercolour fox", "'watercolour' is not one of them"),
            ("a flat", "'a flat' names none of them"),
        ],
    )
    def test_what_it_is_told(self, prompt: str, told: str | None) -> None:
        advice = embedded.advice("icons", prompt)
        assert told in advice if advice and told else advice is told

    def test_captions_are_as_trained_and_take_turns(self) -> None:
        captions = ICONS.captions()
        readings = [ICONS.read(caption) for caption in captions]
        assert len(captions) == len(ICONS.subjects) * (len(ICONS.backgrounds) + 1)
        assert all(reading.as_trained for reading in readings)
        assert {(reading.style, reading.colour) for reading in readings} == {
            (style, colour) for style in (None, "flat") for colour in (None, *ICONS.colours)
        }


class TestAdvice:
    """The warnings themselves: a person has to see what to write instead."""

    def test_an_unknown_subject(self) -> None:
        advice = embedded.advice("emoji", "a unicycle") or ""
        assert advice == (
            "the embedded model 'emoji' draws one of 210 subjects, optionally 'on a COLOUR background' "
            f"({', '.join(EMOJI.backgrounds)}): 'unicycle' is not one of them (nearest: bicycle); all are listed by: "
            "tcdflow ls emoji"
        )

    def test_all_are_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["ls", "emoji"]) == 0
        head, colours, *rest = capsys.readouterr().out.splitlines()
        subjects = " ".join(rest)
        assert head == "emoji, a SUBJECT or a SUBJECT on a COLOUR background"
        assert colours.split(": ")[1].split(", ") == list(EMOJI.backgrounds)
        assert " ".join(subjects.partition(": ")[2].split()).split(", ") == list(EMOJI.subjects)

    def test_a_colour_of_its_own(self) -> None:
        advice = embedded.advice("emoji", "a green dog") or ""
        assert "'green' cannot be chosen: a subject has its own colour" in advice

    def test_a_wording_it_was_not_trained_on(self) -> None:
        assert embedded.advice("emoji", "the grinning face") == (
            "the embedded model 'emoji' draws one of 210 subjects and follows only the wording it was trained"
            " on; write 'a grinning face'"
        )

    def test_what_it_was_trained_on(self) -> None:
        assert embedded.advice("emoji", "a red heart") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dog",
        "[subjects]\ndog",
        "[backgrounds]\nred",
        "[backgrounds]\n[subjects]\ndog",
        "[sujects]\ndog\n[backgrounds]\nred",
    ],
)
def test_a_broken_vocabulary_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary.parse(text)
