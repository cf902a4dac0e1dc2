"""What is drawn for each example of each step: by hashes, so that it needs no state, and evenly."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.distill.draws import draw, example, uniform
from tcdflow.distill.schedule import drawn, learning_rate, timestep
from tcdflow.spec.distill import METHODS, Distillation

SETTINGS = {"steps": 1000, "batch": 4, "guidance": [3, 15]}


def method(name: str, **more: object) -> Distillation:
    return METHODS[name].model_validate({"method": name, **SETTINGS, **more})


@given(st.integers(0, 2**63 - 1), st.integers(0, 10**7), st.integers(0, 10**4))
def test_draws_are_numbers_of_their_range(seed: int, step: int, number: int) -> None:
    assert 0 <= draw(seed, step, number, "noise") < 2**63
    assert 0 <= uniform(seed, step, number, "noise") < 1


def test_purposes_are_told_apart() -> None:
    found = {draw(*which) for which in itertools.product((0, 1), (0, 1, 11), (0, 1), "ab")}
    assert len(found) == 24
    assert draw(1, 11, "a") != draw(11, 1, "a")


@given(st.integers(0, 100), st.integers(1, 40), st.integers(0, 5))
def test_each_example_comes_once_an_epoch(seed: int, count: int, epoch: int) -> None:
    assert sorted(example(seed, epoch * count + place, count) for place in range(count)) == list(range(count))


def test_epochs_differ() -> None:
    orders = {tuple(example(0, epoch * 20 + place, 20) for place in range(20)) for epoch in range(5)}
    assert len(orders) == 5


def test_the_grid_is_that_of_the_sampler() -> None:
    assert [timestep(node, 50) for node in (0, 1, 2, 49, 50)] == [0, 19, 39, 979, 999]
    assert [timestep(node, 25) for node in (0, 1, 25)] == [0, 39, 999]


@pytest.mark.parametrize("name", list(METHODS))
@given(number=st.integers(0, 10**6), step=st.integers(0, 999))
def test_what_is_drawn_is_on_the_grid(name: str, number: int, step: int) -> None:
    grid = {timestep(node, 50) for node in range(51)}
    one = drawn(method(name), step, number, 7)
    assert {one.start, one.next, one.target} <= grid
    assert one.target <= one.next < one.start
    assert one.start - one.next == (20 if one.next else 19)
    assert 3 <= one.guidance_scale <= 15
    assert one == drawn(method(name), step, number, 7)


def targets(distill: Distillation, step: int = 0) -> set[tuple[int, int]]:
    """The timesteps that jumps begin and end at, many times drawn."""
    found = (drawn(distill, step, number, 1) for number in range(3000))
    return {(one.next, one.target) for one in found}


def test_tcd_jumps_anywhere_below() -> None:
    counts = Counter(target for start, target in targets(method("tcd", grid=10)) if start == 899)
    assert sorted(counts) == [0, *range(99, 999, 100)]


def test_lcm_jumps_to_the_end() -> None:
    assert {target for _, target in targets(method("lcm"))} == {0}


def test_pcm_jumps_to_the_edge_of_the_phase() -> None:
    edges = [timestep(node, 50) for node in (0, 12, 25, 37)]
    assert targets(method("pcm", phases=4)) == {
        (timestep(node, 50), max(edge for edge in edges if edge <= timestep(node, 50))) for node in range(50)
    }


def test_segments_of_tscd_merge() -> None:
    stages = [targets(method("tscd", segments=[4, 1], grid=20), step) for step in (0, 999)]
    begin = timestep(19, 20)
    first, last = ({target for start, target in found if start == begin} for found in stages)
    assert first == {timestep(node, 20) for node in range(15, 20)}
    assert last == {timestep(node, 20) for node in range(20)}


def test_tdd_jumps_to_the_stops_of_few_steps() -> None:
    exact = targets(method("tdd", schedules=[4], spread=0.0))
    assert {target for _, target in exact} == {timestep(node, 50) for node in (0, 12, 25, 37)}
    spread = targets(method("tdd", schedules=[4], spread=0.3))
    assert {target for _, target in spread} > {target for _, target in exact}
    assert all(target <= start for start, target in spread)


def test_the_learning_rate() -> None:
    distill = method("tcd", learning_rate=0.1, warmup=10, decay="cosine")
    rates = [learning_rate(distill, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == rates[10] == 0.1
    assert rates[505] == pytest.approx(0.05)
    assert 0 < rates[-1] < 1e-5
    assert {learning_rate(method("tcd", learning_rate=0.1), step) for step in (0, 999)} == {0.1}
