"""Records of a sweep share what they have in common, and say what they said."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tcdflow.record.document import Record
from tcdflow.sweeps.shared import Sharing, shared

leaves = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, -0.0, 1.0, 0.5]) | st.sampled_from("ab")
values = st.recursive(leaves, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from("xyz"), part))


@given(values, values)
def test_what_is_written_stays(value: Any, former: Any) -> None:
    before = json.dumps([value, former])
    assert json.dumps([shared(value, former), former]) == before


def test_neighbours_have_one_object_for_what_is_the_same() -> None:
    first, second = (
        Record(started="now", spec={"base": {"source": "emoji"}, "sampling": {"seed": seed, "eta": 0.3}}, lock=[])
        for seed in (1, 2)
    )
    said = second.encoded()
    share = Sharing()
    for record in (first, None, second):
        share(record)
    assert second.encoded() == said
    assert second.spec["base"] is first.spec["base"] and second.spec["sampling"]["seed"] == 2
    assert second.environment is first.environment
