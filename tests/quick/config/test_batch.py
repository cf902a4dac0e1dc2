"""A run is found again in its batch; what is no batch is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tcdflow.spec.batch import Batch, batch_key, batch_members, batches_of, members
from tcdflow.spec.model import RunSpec
from tests.quick.record.test_run_key import PLAIN

SEEDS = st.one_of(st.integers(0, 9), st.lists(st.integers(0, 9), min_size=1, max_size=3))


def spec(prompt: str = "a fox", negative: str = "", seed: Any = 0, size: int = 4) -> RunSpec:
    sampling = {**PLAIN["sampling"], "seed": seed}
    said = {"prompt": prompt, "negative_prompt": negative, "sampling": sampling, "runtime": {"batch_size": size}}
    return RunSpec.model_validate({**PLAIN, **said})


PROMPTS = st.sampled_from(["a fox", "a cat", "a, b"])
SPECS = st.lists(st.builds(spec, prompt=PROMPTS, negative=st.sampled_from(["", "ugly"]), seed=SEEDS), min_size=1)


@given(SPECS)
def test_each_run_is_found_in_its_batch(specs: list[RunSpec]) -> None:
    for one, batch in zip(specs, batches_of(specs), strict=True):
        there, own = batch_members(one, batch)
        assert there[own] == one
        assert members(there) == batch.pictures == members(specs)
        assert {batch_key(other) for other in there} == {batch_key(one)}


@given(SPECS, st.integers(1, 5))
def test_each_image_knows_its_own_call(specs: list[RunSpec], size: int) -> None:
    pictures = members(specs)
    for one, batch in zip(specs, batches_of(specs), strict=True):
        batch = batch.model_copy(update={"size": size})
        for number, seed in enumerate(one.sampling.seeds):
            at = batch.position + number
            call = pictures[at // size * size : (at // size + 1) * size]
            shared = batch.of_image(number)
            if len(call) == 1:
                assert shared is None
                continue
            assert shared is not None and shared.pictures == call
            assert shared.pictures[shared.position].seed == seed
            alone = spec(one.prompt, one.negative_prompt, seed, size)
            there, own = batch_members(alone, shared)
            assert there[own] == alone and members(there) == call


@pytest.mark.parametrize("other", [spec("a cat"), spec(seed=1), spec(negative="x"), spec(size=2), spec(seed=[0, 1, 2])])
def test_another_run_is_made_alone(other: RunSpec) -> None:
    _, batch = batches_of([spec(seed=7), spec()])
    assert batch_members(spec(), batch)[1] == 1
    assert batch_members(other, batch) == ([other], 0)


def test_what_may_differ_within_a_batch() -> None:
    assert batch_key(spec("a cat", "ugly", [3, 4])) == batch_key(spec())
    sampling = spec().sampling.model_copy(update={"eta": 0.7})
    assert batch_key(spec().model_copy(update={"sampling": sampling})) != batch_key(spec())


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"position": 1}, "not among its 1 images"),
        ({"size": 0}, "greater than or equal to 1"),
        ({"size": 10**6}, "less than or equal to 256"),
        ({"pictures": []}, "at least 1 item"),
        ({"pictures": [{"prompt": " ", "seed": 0}]}, "must not be empty"),
        ({"pictures": [{"prompt": "x", "seed": -1}]}, "greater than or equal to 0"),
        ({"pictures": [{"prompt": "x", "seed": 0}] * 2000}, "at most 1024"),
    ],
)
def test_an_untrusted_batch(wrong: dict[str, Any], why: str) -> None:
    plain = {"size": 2, "position": 0, "pictures": [{"prompt": "x", "seed": 0}]}
    with pytest.raises(ValidationError, match=why):
        Batch.model_validate(plain | wrong)
