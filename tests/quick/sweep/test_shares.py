"""Who makes what: everything once, neighbours together, and nobody idle while there is something to take."""

from __future__ import annotations

import itertools
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tcdflow.sweeps.shares import Shares, cuts

Costs = list[tuple[int, int, int]]


@st.composite
def rows(draw: st.DrawFn) -> Costs:
    """Costs as a plan has them: sorted, so that what is dear to change varies slowest."""
    return sorted(draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 5)), max_size=60)))


@given(rows(), st.integers(1, 9), st.randoms(use_true_random=False))
def test_everything_is_made_once(costs: Costs, workers: int, chance: random.Random) -> None:
    shares = Shares(range(len(costs)), costs, workers)
    made: list[int] = []
    idle = 0
    while idle < 50 * workers:
        task = shares.take(chance.randrange(workers))
        if task is None:
            idle += 1
        elif chance.random() < 0.1:
            shares.give_back(task)  # its worker died
        else:
            made.append(task)
    assert sorted(made) == list(range(len(costs)))


@given(rows(), st.integers(2, 5), st.randoms(use_true_random=False))
def test_tasks_of_a_worker_that_does_not_come_back_are_made_by_others(
    costs: Costs, workers: int, chance: random.Random
) -> None:
    shares = Shares(range(len(costs)), costs, workers)
    gone = chance.randrange(workers)
    made = [task for _ in range(chance.randrange(3)) if (task := shares.take(gone)) is not None]
    shares.leave(gone)
    left = [worker for worker in range(workers) if worker != gone] + [shares.join()]
    while (task := shares.take(chance.choice(left))) is not None or shares:
        made += [] if task is None else [task]
    assert sorted(made) == list(range(len(costs)))


@given(rows(), st.integers(1, 9))
def test_cuts_leave_no_part_empty_nor_much_larger_than_the_rest(costs: Costs, parts: int) -> None:
    places = [0, *cuts(costs, parts), len(costs)]
    sizes = [b - a for a, b in itertools.pairwise(places)]
    assert sum(sizes) == len(costs) and len(sizes) == max(1, min(parts, len(costs)))
    assert all(size >= 1 for size in sizes) or not costs
    assert max(sizes) <= 1.5 * len(costs) / len(sizes) + 2


def test_a_cut_falls_where_most_has_to_be_loaded() -> None:
    row = [(0, 0)] * 5 + [(0, 1)] * 2 + [(1, 0)] * 5  # the middle is at 6, another LoRA at 5, another base at 7
    assert cuts(row, 2) == [7]
    assert cuts([(0, n) for n in range(9)], 3) == [3, 6]


def loads(costs: Costs, workers: int, chance: random.Random) -> int:
    """Count how often a base is loaded if all workers are about as fast."""
    shares = Shares(range(len(costs)), costs, workers)
    latest: dict[int, int] = {}
    count, idle = 0, set[int]()
    while len(idle) < workers:
        worker = chance.choice([w for w in range(workers) if w not in idle])
        task = shares.take(worker)
        if task is None:
            idle.add(worker)
            continue
        count += latest.get(worker) != costs[task][0]
        latest[worker] = costs[task][0]
    return count


class Never(random.Random):
    """Chooses the first, always: all other workers hang."""

    def choice(self, seq: Any) -> Any:
        return seq[0]


def test_workers_keep_what_they_have_loaded() -> None:
    costs = [(base, lora, 0) for base in range(4) for lora in range(2) for _ in range(10)]
    for seed in range(50):
        assert loads(costs, 4, random.Random(seed)) <= 4 + 4, "a base each, and one more for each who helps at the end"
        assert loads(costs, 2, random.Random(seed)) <= 4 + 2
    assert loads(costs, 4, Never()) == loads(costs, 1, Never()) == 4


def test_a_single_task_is_left_to_whoever_has_it_loaded() -> None:
    shares = Shares("abcd", [(0, 0), (0, 0), (1, 0), (1, 0)], 2)
    assert [shares.take(0), shares.take(0), shares.take(1)] == ["a", "b", "c"]
    assert shares.take(0) is None and shares.take(1) == "d"
    shares = Shares("abcd", [(0, 0), (0, 1), (0, 2), (0, 3)], 2)
    assert [shares.take(0), shares.take(0), shares.take(1), shares.take(0)] == ["a", "b", "c", "d"]


def test_what_was_given_back_comes_last() -> None:
    shares = Shares("abc", [(0,)] * 3, 1)
    assert shares.take(0) == "a"
    shares.give_back("a")
    assert [shares.take(0) for _ in range(4)] == ["b", "c", "a", None]
