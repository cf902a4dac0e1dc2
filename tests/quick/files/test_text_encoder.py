"""``sampling.clip_skip`` against the depth of the text encoders, which a base's configs tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tcdflow.errors import ConfigError
from tcdflow.files.artifact import Artifact, Artifacts
from tcdflow.files.text_encoder import check_clip_skip
from tcdflow.spec.model import RunSpec

from .fakes import spec, write


def a_base(folder: Path, *layers: object) -> Artifacts:
    """A base with so many text encoders, of so many layers."""
    names = ("text_encoder/config.json", "text_encoder_2/config.json")[: len(layers)]
    configs = {name: json.dumps({"num_hidden_layers": own}).encode() for name, own in zip(names, layers, strict=True)}
    return Artifacts.of([Artifact("base", "sd", None, write(folder, configs), tuple(configs), False)])


def skipping(count: int | None) -> RunSpec:
    run = spec("sd")
    return run.model_copy(update={"sampling": run.sampling.model_copy(update={"clip_skip": count})})


@pytest.mark.parametrize(("layers", "most"), [((2,), 2), ((5,), 5), ((4, 6), 3), ((6, 4), 3)])
def test_no_more_than_there_are(layers: tuple[int, ...], most: int, tmp_path: Path) -> None:
    """The states that a model gives are one more than its layers; SDXL begins to count at the last but one."""
    base = a_base(tmp_path, *layers)
    check_clip_skip(skipping(most), base)
    with pytest.raises(ConfigError) as caught:
        check_clip_skip(skipping(most + 1), base)
    told = f"sampling.clip_skip = {most + 1}: must be at most {most}: the text encoder of this base has {min(layers)}"
    assert told in str(caught.value)


@pytest.mark.parametrize("layers", [True, "two", None])
def test_what_the_config_does_not_tell_is_left_to_the_library(layers: object, tmp_path: Path) -> None:
    check_clip_skip(skipping(11), a_base(tmp_path, layers))
    check_clip_skip(skipping(None), a_base(tmp_path, 1))
    check_clip_skip(skipping(11), a_base(tmp_path / "none"))


def test_a_config_that_changed_is_read_again(tmp_path: Path) -> None:
    check_clip_skip(skipping(3), a_base(tmp_path, 12))
    with pytest.raises(ConfigError):
        check_clip_skip(skipping(3), a_base(tmp_path, 2))
