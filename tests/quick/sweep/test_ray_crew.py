"""Workers on a cluster: each has its processors and its GPU on one machine, whatever the machines have together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.errors import ConfigError
from tcdflow.sweeps.ray_cluster import Crew, Machine, RaySettings, crew

THERE = "10.0.0.1:6379"
HEAD = Machine(32)
EIGHT, CARD = Machine(8), Machine(8, 1)


@pytest.mark.parametrize(
    ("settings", "machines", "gpus", "found"),
    [
        ({}, [EIGHT, EIGHT], False, Crew(1, 8, 0)),
        ({"workers": 2}, [EIGHT, EIGHT], False, Crew(2, 8, 0)),
        ({"workers": 3}, [EIGHT, EIGHT], False, Crew(3, 4, 0)),
        ({"workers": 3, "threads": 2}, [EIGHT, EIGHT], False, Crew(3, 2, 0)),
        ({}, [HEAD, CARD, CARD], True, Crew(2, 8, 1)),
        ({}, [HEAD, Machine(8, 4)], True, Crew(4, 2, 1)),
        ({}, [HEAD, CARD, CARD], False, Crew(1, 32, 0)),
        ({}, [Machine(0), EIGHT], False, Crew(1, 8, 0)),
    ],
)
def test_they_are_shared_out_by_machine(
    settings: dict[str, int], machines: list[Machine], gpus: bool, found: Crew
) -> None:
    assert crew(RaySettings(address=THERE, **settings), machines, gpus) == found


@pytest.mark.parametrize(
    ("settings", "machines", "gpus", "said"),
    [
        ({"workers": 3, "threads": 5}, [EIGHT, EIGHT], False, "room for 2 of them"),
        ({"workers": 1, "threads": 12}, [EIGHT, EIGHT], False, "room for 0 of them"),
        ({"workers": 3}, [CARD, CARD], True, "there are 2 GPUs"),
        ({"workers": 1}, [Machine(0)], False, "room for 0 of them"),
    ],
)
def test_more_than_the_machines_have(settings: dict[str, int], machines: list[Machine], gpus: bool, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        crew(RaySettings(address=THERE, **settings), machines, gpus)


MACHINES = st.lists(st.builds(Machine, st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=4)


@given(MACHINES, st.none() | st.integers(1, 6), st.booleans())
def test_all_of_them_find_a_place(machines: list[Machine], workers: int | None, gpus: bool) -> None:
    try:
        found = crew(RaySettings(address=THERE, workers=workers), machines, gpus)
    except ConfigError:
        cards = sum(machine.gpus for machine in machines) if gpus else 0
        wanted = workers or max(cards, 1)
        assert 0 < cards < wanted or sum(m.places(1, int(cards > 0)) for m in machines) < wanted
        return
    free = sorted(([m.cpus, m.gpus] for m in machines), reverse=True)
    for _ in range(found.workers):
        place = next(one for one in free if one[0] >= found.threads and one[1] >= found.gpus)
        place[0] -= found.threads
        place[1] -= found.gpus
