"""The Chinese and Korean READMEs: how old they are, the guide's scripts beside their YAMLs, and quoted messages."""

from __future__ import annotations

import ast
import hashlib
import re
from functools import cache

import pytest
import yaml

from tcdflow.config.compose import Composer
from tcdflow.spec.model import RunSpec
from tests.docs.pages import LANGUAGES, README, ROOT, Page
from tests.rerun.test_workflows import WORKFLOWS

SECTIONS = ("Start", "Five commands", "A YAML", "What is exact, and what was not tried")
"""What a version in another language tells of the README."""
by_language = pytest.mark.parametrize("page", LANGUAGES, ids=lambda page: page.path.name)


def stamp() -> str:
    """Return the line by which a version says what it is a version of."""
    texts = [README.text.partition(f"\n## {name}\n")[2].partition("\n## ")[0] for name in SECTIONS]
    assert all(texts)
    hashes = [hashlib.sha256(text.encode()).hexdigest()[:8] for text in texts]
    return f"<!-- README.md: {'; '.join(map(' '.join, zip(SECTIONS, hashes, strict=True)))} -->"


@by_language
def test_it_is_of_the_readme_as_it_is(page: Page) -> None:
    ours = stamp()
    told = f"README.md has changed since {page.path.name} was written. Bring it up to date, then write into it: {ours}"
    assert ours in page.text, told
    assert re.search(r"`README\.md`.{0,20}`[0-9a-f]{7,}`", page.text), "of which commit it is a version"


def scripts(page: Page) -> list[tuple[str, str]]:
    """Return each script with the YAML beside it."""
    return re.findall(r"^```python\n(.*?)^```\n+```yaml\n(.*?)^```", page.text, re.MULTILINE | re.DOTALL)


@by_language
def test_each_workflow_of_the_guide_has_its_script_beside_its_yaml(page: Page) -> None:
    found = [yaml.safe_load(shown) for _, shown in scripts(page)]
    files = {name: yaml.safe_load((ROOT / f"conf/experiment/{name}.yaml").read_text("utf-8")) for name in WORKFLOWS}
    assert len(found) == len(files) == 10
    assert sorted(map(str, found)) == sorted(map(str, files.values()))


@by_language
def test_a_script_says_what_its_yaml_says(page: Page) -> None:
    for script, shown in scripts(page):
        spec = composed(shown)
        said = str(spec)
        for node in ast.walk(ast.parse(script)):
            if isinstance(node, ast.Constant) and re.fullmatch(r"[\w.-]+/[\w.-]+", str(node.value)):
                assert str(node.value) in said
        keywords = {node.arg: node.value for node in ast.walk(ast.parse(script)) if isinstance(node, ast.keyword)}
        for name, value in expected(spec).items():
            assert name not in keywords or ast.literal_eval(keywords[name]) == value, (name, script)
        assert {"num_inference_steps", "eta", "guidance_scale"} <= keywords.keys()


@cache
def composed(text: str) -> RunSpec:
    (name,) = (
        name
        for name in WORKFLOWS
        if yaml.safe_load(text) == yaml.safe_load((ROOT / f"conf/experiment/{name}.yaml").read_text("utf-8"))
    )
    return Composer().compose([f"experiment={name}"]).spec


def expected(spec: RunSpec) -> dict[str, object]:
    sampling = spec.sampling
    there: dict[str, object] = {
        "num_inference_steps": sampling.steps,
        "eta": sampling.eta,
        "guidance_scale": sampling.guidance_scale,
        "adapter_weights": [lora.weight for lora in spec.loras.values()],
        "controlnet_conditioning_scale": next((getattr(one, "scale", None) for one in spec.adapters.values()), None),
    }
    task = spec.task
    return there | {name: getattr(task, name) for name in ("strength", "num_frames") if hasattr(task, name)}


@by_language
def test_a_quoted_message_is_one_of_ours(page: Page) -> None:
    quoted = re.findall(r"^\| `([^`]+)` \|", page.text.rpartition("\n## ")[2], re.MULTILINE)
    assert len(quoted) >= 8
    for message in quoted:
        pieces = [piece.strip() for piece in message.split("…") if piece.strip()]
        assert all(piece in messages() for piece in pieces), message


@cache
def messages() -> str:
    """Return all texts of the package, a line each, with … for what is filled in."""
    found = []
    for path in (ROOT / "tcdflow").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)
