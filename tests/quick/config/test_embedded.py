"""The models that ship with the package: their files, and what their vocabularies make of a prompt."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow import embedded
from tcdflow.cli.main import dispatch
from tcdflow.embedded import Vocabulary

EMOJI = embedded.vocabulary("emoji")
MEBIBYTE = 2**20

subjects = st.sampled_from(EMOJI.subjects)
colours = st.sampled_from(EMOJI.colours)
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

    def test_the_card_names_licence_and_origin(self) -> None:
        card = (embedded.model_path("emoji") / "MODEL_CARD.md").read_text(encoding="utf-8")
        for fact in ("Noto Color Emoji", "Open Font License 1.1", "Apache License 2.0", "## Limits"):
            assert fact in card
        assert f"# emoji {embedded.version('emoji')}:" in card

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
        assert EMOJI.colours == ("white", "red", "blue", "green", "yellow", "pink", "black")

    @given(articles, subjects, st.none() | colours)
    def test_every_training_caption_passes(self, article: str, subject: str, colour: str | None) -> None:
        background = f" on a {colour} background" if colour else ""
        prompt = f"{article} {subject}{background}"
        reading = EMOJI.read(prompt)
        assert (reading.subjects, reading.colour, reading.findings) == ((subject,), colour, ())
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


class TestAdvice:
    """The warnings themselves: a person has to see what to write instead."""

    def test_an_unknown_subject(self) -> None:
        advice = embedded.advice("emoji", "a unicycle") or ""
        assert advice == (
            "the embedded model 'emoji' draws one of 210 subjects, optionally 'on a COLOUR background' "
            f"({', '.join(EMOJI.colours)}): 'unicycle' is not one of them (nearest: bicycle); all are listed by: "
            "tcdflow ls emoji"
        )

    def test_all_are_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert dispatch(["ls", "emoji"]) == 0
        head, colours, *rest = capsys.readouterr().out.splitlines()
        subjects = " ".join(rest)
        assert head == "emoji, a SUBJECT or a SUBJECT on a COLOUR background"
        assert colours.split(": ")[1].split(", ") == list(EMOJI.colours)
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
        "[colours]\nred",
        "[colours]\n[subjects]\ndog",
        "[sujects]\ndog\n[colours]\nred",
    ],
)
def test_a_broken_vocabulary_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary.parse(text)
