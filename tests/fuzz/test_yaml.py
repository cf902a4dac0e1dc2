"""``tcdflow show --yaml``: an experiment file that composes to the run's key, whatever the run."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tcdflow.files.lock import LockedFile
from tcdflow.record.key import run_key
from tcdflow.rerun.source import find
from tcdflow.show.experiment import of_run
from tcdflow.spec.model import RunSpec
from tests.fuzz.grammar import ODD_CHARACTERS, fitting
from tests.helpers import Write, examples
from tests.legacy.test_reruns import MADE, RUNS

COMPOSER = Composer()
PRESETS = [f"experiment={name}" for name in COMPOSER.options("experiment")]
MORE = [
    "loras.tcd.weight={unet: {down: 0.5, mid: 1}, text_encoder: 0.2}",
    "'loras=[tcd,papercut]'",
    "lora_stack.merge={method: ties, density: 0.5}",
    "scheduler=ddim",
    "scheduler=dpmpp_2m",
    "output=webp",
    "sampling.seed=[3,9]",
    "sampling.width=aspect",
    "sampling.num_images=3",
    "runtime.batch_size=4",
    "runtime.compile={scope: unet}",
    "output.name='{prompt}-{number}'",
    "++adapters.on={kind: ip_adapter, family: sdxl, source: a/b, image_encoder: a/c, images: [x.png, y.png]}",
    "++embeddings.null={source: a/b, token: '<x>'}",
    "++loras.true={source: ./x.safetensors, family: sdxl}",
]
TEXTS = st.text(
    st.sampled_from(ODD_CHARACTERS.replace("\udc80", "").replace("\ud800", "") + "${}a\\"), min_size=1, max_size=12
)


def locked(spec: RunSpec) -> list[LockedFile]:
    """A lock as it would be, with commits of what is on the hub."""
    commit = "0123456789abcdef" * 2 + "01234567"
    return [
        LockedFile(role=need.role, source=need.source, revision=commit, file="x", size=1, sha256="f" * 64)
        for need in spec.needs()
    ]


def again(text: str, configs: Write) -> RunSpec:
    return Composer(configs({"experiment/written.yaml": text})).compose(["experiment=written"]).spec


@settings(max_examples=examples(0.2))
@given(preset=st.sampled_from(PRESETS), words=st.lists(fitting() | st.sampled_from(MORE), max_size=3), prompt=TEXTS)
def test_any_run(configs: Write, preset: str, words: Sequence[str], prompt: str) -> None:
    try:
        spec = COMPOSER.compose([preset, *(word.strip("'") for word in words)]).spec
    except ConfigError:
        spec = COMPOSER.compose([preset]).spec
    if prompt.strip():
        spec = spec.model_copy(update={"prompt": prompt})
    lock = locked(spec)
    found = again(of_run(spec, lock, ["outputs/fox\n!evil: 1"]), configs)
    assert run_key(found, lock) == run_key(spec, lock)
    assert found.prompt == spec.prompt
    assert found.output == spec.output
    assert found.runtime == spec.runtime


@pytest.mark.parametrize("run", RUNS)
def test_records_of_earlier_versions(configs: Write, run: str) -> None:
    recorded = find(MADE / run)
    found = again(of_run(recorded.spec, recorded.lock, []), configs)
    assert run_key(found, recorded.lock) == recorded.key


def test_sources_on_the_hub_are_pinned(configs: Write) -> None:
    spec = COMPOSER.compose(["experiment=styled_lora", "loras.tcd.source=./here.safetensors"]).spec
    found = again(of_run(spec, locked(spec), []), configs)
    assert found.base.source.endswith("@0123456789abcdef0123456789abcdef01234567")
    assert "@0123456789abcdef" in found.loras["papercut"].source
    assert found.loras["tcd"].source == "./here.safetensors"


def test_no_text_drives_a_terminal() -> None:
    spec = COMPOSER.compose(["prompt=x"]).spec.model_copy(update={"prompt": "\x1b[31m\u202e\x9b\x7f"})
    assert all(c.isprintable() or c == "\n" for c in of_run(spec, locked(spec), ["\x1b[2J\r"]))


@pytest.mark.parametrize("name", ["true", "null", "y", "a-b"])
def test_names_that_yaml_takes_for_values(configs: Write, name: str) -> None:
    spec = COMPOSER.compose([f"++loras.{name}={{source: ./x.safetensors}}"]).spec
    assert json.dumps(name) in of_run(spec, [], [])
    assert list(again(of_run(spec, [], []), configs).loras) == list(spec.loras)
