"""What is read out of the texts of Hydra's errors is in them: one that an upgrade words otherwise fails here."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException

from tcdflow.libraries.hydra import placed, said, unchosen
from tests.helpers import Write


def error(config_dir: Path, *overrides: str) -> HydraException:
    with initialize_config_dir(str(config_dir), version_base=None), pytest.raises(HydraException) as caught:
        compose("config", list(overrides))
    return caught.value


def test_a_group_of_which_nothing_is_chosen(configs: Write) -> None:
    made = configs(
        {"config.yaml": "defaults:\n  - size: ???\n", "size/big.yaml": "a: 1\n", "size/small.yaml": "a: 2\n"}
    )
    assert unchosen(said(error(made))) == ("size", ["big", "small"])


def test_the_file_that_chooses_what_there_is_not(configs: Write) -> None:
    made = configs({"config.yaml": "defaults: [mine]\n", "mine.yaml": "defaults: [other]\n"})
    found = error(made)
    assert isinstance(found, MissingConfigException)
    assert (placed(str(found)) or ("", ""))[0] == "mine"


def test_the_file_that_overrides_what_is_not_chosen(configs: Write) -> None:
    made = configs({"config.yaml": "defaults:\n  - override size: big\n", "size/big.yaml": "a: 1\n"})
    file, what = placed(said(error(made))) or ("", "")
    assert file == "config"
    assert what.startswith("Could not override 'size'")


def test_a_value_that_cannot_be_merged_is_told_with_its_cause_and_without_types(configs: Write) -> None:
    found = error(configs({"config.yaml": "a: {b: 1}\n"}), "a.b.c=2")
    assert "a.b.c=2" in str(found) and "full_key" in str(found.__cause__)
    assert "Error merging" not in said(found) and "full_key" not in said(found)
