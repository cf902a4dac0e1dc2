"""The captions that the next embedded model is taught: no two of them mean different images."""

from __future__ import annotations

import random

import pytest

captions = pytest.importorskip("scripts.embedded_model.captions", reason="the sdist holds no scripts")


def test_no_colour_of_a_subject_reads_as_another_subject() -> None:
    names = {subject.name for subject in captions.subjects()}
    assert len(names) == len(captions.subjects()) > 380
    made = [f"{colour} {subject.name}" for subject in captions.subjects() for colour in subject.colours()]
    assert len(made) > 2000
    assert names.isdisjoint(made)


def test_a_name_with_a_colour_takes_no_other() -> None:
    coloured = [subject for subject in captions.subjects() if subject.name.split()[0] in captions.COLOURS]
    assert {"red heart", "green apple"} <= {subject.name for subject in coloured}
    assert not any(subject.colours() for subject in coloured)


def test_every_wording_tells_what_the_plain_one_tells() -> None:
    rng = random.Random(0)
    for subject in captions.subjects():
        for style in captions.STYLES:
            view = captions.draw(subject, style, rng)
            caption = view.caption(rng)
            assert subject.name in caption
            assert style == captions.STYLES[0] or style in caption.split()
            assert view.colour is None or f"{view.colour} {subject.name}" in caption
            if view.background != "white":
                assert view.background in caption and f"on a {view.background} background" in view.plain()


def test_the_words_are_those_of_the_captions() -> None:
    rng, known = random.Random(1), set(captions.words())
    said = {
        word
        for subject in captions.subjects()
        for word in captions.draw(subject, "flat", rng).caption(rng).replace(",", "").split()
    }
    assert said <= known
