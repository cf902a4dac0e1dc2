"""Interpolations that would keep a computer busy are refused before they are resolved; the others are not."""

from __future__ import annotations

import pytest

from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tcdflow.show.experiment import of_run
from tests.helpers import Write


def test_a_chain_of_doublings_is_refused(configs: Write) -> None:
    """Resolving it would take longer than there is time."""
    lines = ["# @package _global_", "x0: a", *(f"x{i}: ${{x{i - 1}}}${{x{i - 1}}}" for i in range(1, 60))]
    folder = configs({"experiment/bomb.yaml": "\n".join([*lines, "prompt: ${x59}"])})
    with pytest.raises(ConfigError, match="interpolations lead back to it, or to too many"):
        Composer(folder).compose(["experiment=bomb"])


def test_a_ring_is_refused(configs: Write) -> None:
    ring = "# @package _global_\nprompt: ${negative_prompt}\nnegative_prompt: ${prompt}\n"
    with pytest.raises(ConfigError, match="lead back"):
        Composer(configs({"experiment/ring.yaml": ring})).compose(["experiment=ring"])


def test_what_is_escaped_leads_nowhere(composer: Composer, configs: Write) -> None:
    assert composer.compose([r"prompt=a \${prompt} b"]).spec.prompt == "a ${prompt} b"
    shown = of_run(composer.compose([r"prompt=a \\\${prompt} b"]).spec, (), ())
    spec = Composer(configs({"experiment/shown.yaml": shown})).compose(["experiment=shown"]).spec
    assert spec.prompt == "a \\${prompt} b"
    with pytest.raises(ConfigError, match="lead back"):
        composer.compose([r"prompt=a \\${prompt} b"])


def test_interpolations_of_a_usual_kind_are_resolved(configs: Write) -> None:
    text = (
        "# @package _global_\nprompt: a ${negative_prompt} fox\nnegative_prompt: red\n"
        "sampling: {steps: 8, seed: '${.steps}', width: '${base.size}', height: '${sampling.width}'}\n"
    )
    spec = Composer(configs({"experiment/usual.yaml": text})).compose(["experiment=usual"]).spec
    assert (spec.prompt, spec.sampling.seed, spec.width, spec.height) == ("a red fox", 8, 64, 64)
