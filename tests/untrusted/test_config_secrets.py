"""A config reads nothing but other keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcdflow.config.axes import axes
from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tests.helpers import GLOBAL, Write
from tests.untrusted.configs import EVIL, SECRET, Refused

pytestmark = pytest.mark.usefixtures("witnesses")


@pytest.mark.parametrize(
    "text",
    [
        "prompt: ${oc.env:TCDFLOW_TEST_SECRET}",
        "prompt: '${ oc.env : TCDFLOW_TEST_SECRET }'",
        'prompt: "${\\toc.env:TCDFLOW_TEST_SECRET}"',
        'prompt: "${\\n oc.env:TCDFLOW_TEST_SECRET}"',
        "prompt: a ${oc.env:TCDFLOW_TEST_SECRET} b",
        "prompt: ${oc.decode:${oc.env:TCDFLOW_TEST_SECRET}}",
        "prompt: ${oc.env:NONE,${oc.env:TCDFLOW_TEST_SECRET}}",
        "negative_prompt: oc.env\nprompt: ${${negative_prompt}:TCDFLOW_TEST_SECRET}",
        "negative_prompt: env\nprompt: ${oc.${negative_prompt}:TCDFLOW_TEST_SECRET}",
        "negative_prompt: oc\nprompt: ${${negative_prompt}.env:TCDFLOW_TEST_SECRET}",
        "prompt: ${oc.select:base.source}",
        "prompt: ${now:%Y}",
        "prompt: ${hydra:runtime.cwd}",
        "sampling: {seed: [1, ['${oc.env:TCDFLOW_TEST_SECRET}']]}",
        "loras: {x: {source: '${oc.env:TCDFLOW_TEST_SECRET}'}}",
        "unknown: {deep: [{er: '${oc.env:TCDFLOW_TEST_SECRET}'}]}",
    ],
)
def test_resolvers(text: str, refused: Refused) -> None:
    found = refused({EVIL: f"{GLOBAL}{text}\n"})
    assert {(problem.origin, "resolvers are refused" in problem.what) for problem in found} == {(EVIL, True)}


@pytest.mark.parametrize(
    "element",
    [
        "override /base: ${oc.env:TCDFLOW_TEST_SECRET}",
        "/base: ${oc.env:TCDFLOW_TEST_SECRET}",
        "/base/${oc.env:TCDFLOW_TEST_SECRET}",
        "optional /base@x: ${oc.env:TCDFLOW_TEST_SECRET}",
        "override /loras: [tcd, '${oc.env:TCDFLOW_TEST_SECRET}']",
    ],
)
def test_resolvers_in_a_list_of_defaults(element: str, refused: Refused) -> None:
    (problem,) = refused({EVIL: f"{GLOBAL}defaults:\n  - {element}\n"})
    assert (problem.key, problem.origin) == ("defaults", EVIL)


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("path", ["/proc/self/environ", "/etc/passwd", "id_rsa"])
def test_a_file_of_prompts_is_named_so(path: str, link: bool, configs: Write, tmp_path: Path) -> None:
    (tmp_path / "id_rsa").write_text(SECRET)
    named = tmp_path / path
    if link:
        named = tmp_path / "prompts.txt"
        named.symlink_to(tmp_path / path)
    evil = configs({EVIL: f"{GLOBAL}sweep: {{prompts_from: {named}}}\n"})
    with pytest.raises(ConfigError, match=r"ends in \.txt") as caught:
        axes(Composer(evil), ["experiment=evil"])
    assert SECRET not in str(caught.value)


def test_a_key_is_not_resolved(refused: Refused) -> None:
    (problem,) = refused({EVIL: GLOBAL + "'${oc.env:TCDFLOW_TEST_SECRET}': 1\n"})
    assert problem.what.startswith("unknown key")


@pytest.mark.parametrize("key", ["hydra.runtime.cwd", "hydra.run.dir", "hydra.runtime.config_sources"])
def test_hydras_own_keys_cannot_be_read(key: str, refused: Refused) -> None:
    (problem,) = refused({EVIL: f"{GLOBAL}prompt: ${{{key}}}\n"})
    assert problem.key == "prompt"


@pytest.mark.parametrize("text", ["${base.size}", "${.prompt_of}", "a ${base.family} of ${base.size}", "$5 {a: b}"])
def test_other_keys_can(text: str, configs: Write) -> None:
    mine = configs({"loras/ink.yaml": f"ink: {{source: a/b, prompt_of: x, description: '{text}'}}\n"})
    try:
        Composer(mine).compose(["loras=[ink]"])
    except ConfigError as error:
        assert [problem.key for problem in error.problems] == ["loras.ink.prompt_of"]
