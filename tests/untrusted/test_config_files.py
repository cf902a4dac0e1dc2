"""Config files that are none, too big or too deep are answered at once; links do not lead out of their directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcdflow.config import places
from tcdflow.config.compose import Composer
from tests.helpers import GLOBAL, Write
from tests.untrusted.configs import EVIL, SECRET, Refused


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"a: &x [1]\nb: *x\n", "anchors and aliases"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n", "anchors and aliases"),
        (b"a: " + b"[" * 33 + b"]" * 33, "nests deeper"),
        (b"a: " + b"[" * 500_000, "nests deeper"),
        (b"a: " + b"{b: " * 100_000, "nests deeper"),
        (b"a: [" + b"1," * 100_000 + b"]", "has over"),
        (b"a: " + b"x" * 1_000_001, "allowed are 1000000"),
        ("prompt: caf\xe9\n".encode("latin-1"), "not valid YAML"),
        ("prompt: cafe\n".encode("utf-16"), "not valid YAML"),
        (b"prompt: a\x00b\n", "not valid YAML"),
        (b"prompt: [a\n", "not valid YAML"),
        (b"prompt: a: b\n", "not valid YAML"),
        (b"prompt: a\nprompt: b\n", "duplicate key"),
        (b"prompt: a\n---\nprompt: b\n", "single document"),
        (b"? [a, b]\n: x\n", "unhashable key"),
        (b"- a\n- b\n", "must hold keys with values"),
    ],
)
def test_refused(content: bytes, what: str, refused: Refused) -> None:
    (problem,) = refused({EVIL: GLOBAL.encode() + content})
    assert (problem.key, what in problem.what) == (EVIL, True)


@pytest.mark.parametrize(
    "number", ["1" + ":1" * 2000, "9" * 5000, "0x" + "f" * 5000, "0b" + "1" * 100, "-1e" + "1" * 80]
)
@pytest.mark.parametrize("key", ["sampling.seed", "hydra.x", "a"])
def test_numbers_that_grow(number: str, key: str, refused: Refused) -> None:
    """Those of base 60 have more digits than Python writes."""
    text = "".join(f"{'  ' * depth}{part}:\n" for depth, part in enumerate(key.split(".")))[:-1]
    (problem,) = refused({EVIL: f"{GLOBAL}{text} {number}\n"})
    assert problem.what == f"a number of {len(number)} characters; quote it if it is text"


@pytest.mark.parametrize(
    ("number", "base"), [("010", 8), ("-0_7", 8), ("1:30", 60), ("16:9", 60), ("1:30.5", 60), ("0:30.5", 60)]
)
def test_numbers_that_yaml_reads_in_another_base(number: str, base: int, refused: Refused) -> None:
    (problem,) = refused({EVIL: f"{GLOBAL}sampling:\n  seed: {number}\n"})
    assert problem.what.startswith(f"line 3: YAML reads {number} in base {base}; write a number in decimal")


@pytest.mark.parametrize("text", ["0:30", "08:00", "1:60", "'010'", '"1:30"', "0.5:1"])
def test_what_yaml_reads_as_text_is_text(text: str, configs: Write) -> None:
    assert Composer(configs({EVIL: f"{GLOBAL}prompt: {text}\n"})).compose(["experiment=evil"]).spec.prompt


def test_a_syntax_error_shows_no_line_of_the_file(refused: Refused) -> None:
    (problem,) = refused({EVIL: f"{GLOBAL}prompt: x\n{SECRET}\n"})
    assert problem.what.startswith("is not valid YAML: ")
    assert problem.what.partition(";")[0].endswith(" in line 4, column 1")


@pytest.mark.parametrize("how", ["file", "folder"])
def test_links_are_not_followed_out_of_the_directory(
    how: str, refused: Refused, tmp_path: Path, configs: Write
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/evil.yaml").write_text(f"{GLOBAL}prompt: x\nroot:x:0:0\n")
    evil = configs({"loras/mine.yaml": "mine: {source: a/b}\n"})
    if how == "folder":
        (evil / "experiment").symlink_to(tmp_path / "elsewhere")
    else:
        (evil / "experiment").mkdir()
        (evil / EVIL).symlink_to(tmp_path / "elsewhere/evil.yaml")
    (problem,) = refused({})
    what = "is a link that leads out of its config directory; copy the file there"
    assert (problem.key, problem.what) == (EVIL, what)
    assert list(places.entries("experiment", evil)) == list(places.entries("experiment"))


def test_links_within_it_are(configs: Write, tmp_path: Path) -> None:
    mine = configs({"loras/mine.yaml": "mine: {source: a/b}\n"})
    (mine / "experiment").symlink_to(mine / "loras")
    (tmp_path / "alias").symlink_to(mine)
    (mine / "loras/other.yaml").symlink_to(mine / "loras/mine.yaml")
    assert "mine" in Composer(tmp_path / "alias").compose(["loras=[other]"]).spec.loras


def test_depth_that_is_allowed(refused: Refused) -> None:
    (problem,) = refused({EVIL: GLOBAL + "a: " + "[" * 31 + "]" * 31})
    assert problem.what.startswith("unknown key")


@pytest.mark.parametrize("text", ["1: x", "true: x", "1.5: x", "null: x", "scalar", "defaults: 5", "defaults: [5]"])
def test_odd_shapes_are_answered(text: str, refused: Refused) -> None:
    assert refused({EVIL: f"{GLOBAL}{text}\n"})


@pytest.mark.parametrize("other", ["evil", "evil2"])
def test_circles(other: str, refused: Refused) -> None:
    files: dict[str, str | bytes] = {
        EVIL: f"{GLOBAL}defaults: [{other}]\n",
        "experiment/evil2.yaml": f"{GLOBAL}defaults: [evil]\n",
    }
    (problem,) = refused(files)
    assert (problem.key, problem.what) == ("defaults", "config files choose each other in a circle")


def test_keys_that_refer_to_each_other(refused: Refused) -> None:
    found = refused({EVIL: GLOBAL + "prompt: ${negative_prompt}\nnegative_prompt: ${prompt}\n"})
    assert {problem.key for problem in found} == {"prompt", "negative_prompt"}
