"""Config files, well-meant and hostile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.fuzz.grammar import GROUPS, INTERPOLATIONS, KEYS, SWEEP_KEYS, SWEEPS, VALID, fitting, keys, misspelt, text

plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        text,
        st.sampled_from(VALID),
        st.sampled_from(INTERPOLATIONS),
        st.sampled_from(SWEEPS),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | text, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def nested(draw: st.DrawFn) -> dict[str, Any]:
    """Keys of the spec, or nearly, with anything below them."""
    content: dict[str, Any] = {}
    for key in draw(st.lists(keys | st.sampled_from(SWEEP_KEYS), max_size=3)):
        node = content
        *parents, last = key.split(".")
        for part in parents:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        node[last] = draw(plain)
    return content


@st.composite
def settings_of_a_file(draw: st.DrawFn) -> dict[str, Any]:
    """Keys of the spec that are right, or nearly, and one that need not be."""
    content: dict[str, Any] = draw(nested()) if draw(st.booleans()) else {}
    for said in draw(st.lists(fitting(), min_size=1, max_size=3)):
        key, _, value = said.partition("=")
        node = content
        *parents, last = key.split(".")
        for part in parents:
            child = node.get(part)
            child = child if isinstance(child, dict) else {}
            node[part] = child
            node = child
        try:
            node[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            node[last] = value
    return content


@st.composite
def default(draw: st.DrawFn) -> Any:
    """An entry of a list of defaults."""
    group = draw(
        st.sampled_from([*GROUPS, "hydra/launcher", "hydra/job_logging", "mine"]) | misspelt(st.sampled_from([*GROUPS]))
    )
    prefix = draw(st.sampled_from(["", "/", "override /", "optional /", "override ", "../"]))
    package = draw(st.sampled_from(["", "", "", "@_global_", "@hydra.job", "@x", "@:x"]))
    option = st.sampled_from([option for options in GROUPS.values() for option in options] + ["evil", "mine"]) | plain
    return draw(
        st.one_of(
            st.just("_self_"),
            text,
            option.map(lambda name: {f"{prefix}{group}{package}": name}),
            st.just(f"{prefix}{group}/{draw(st.sampled_from(['emoji', 'evil', '..', '']))}"),
            plain,
        )
    )


@st.composite
def config_file(draw: st.DrawFn) -> bytes:
    """A config file: well-formed YAML mostly."""
    header = draw(
        st.sampled_from(
            [
                "# @package _global_\n",
                "# @package _global_\n",
                "",
                "# @package hydra.job\n",
                "# @package _group_\n",
                "# @package a.b\n",
                "# @package\n",
                "# @package _global_.hydra\n",
                "# @packag _global_\n",
            ]
        )
    )
    if draw(st.integers(0, 9)) == 0:
        return header.encode() + draw(st.binary(max_size=40) | text.map(lambda t: t.encode("utf-8", "surrogatepass")))
    content: dict[Any, Any] = draw(nested() | settings_of_a_file())
    if draw(st.booleans()):
        content["defaults"] = draw(st.lists(default(), max_size=3) | plain)
    if draw(st.integers(0, 4)) == 0:
        content[draw(st.integers() | st.booleans() | st.none() | st.floats())] = draw(plain)
    how = draw(st.sampled_from(["yaml", "yaml", "json", "tagged"]))
    if how == "json":
        return (header + json.dumps({str(key): value for key, value in content.items()})).encode("utf-8", "replace")
    dumped = yaml.dump(content, Dumper=yaml.Dumper if how == "tagged" else _Plain, allow_unicode=draw(st.booleans()))
    return (header + dumped).encode("utf-8", "surrogatepass")


class _Plain(yaml.SafeDumper):
    """Without anchors: those are refused at once, and would hide what else there is."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


FILE_NAMES = ["experiment/mine", "loras/mine", "base/mine", "sampling/mine", "mine/mine", "mine", "task/evil"]
ODD_FILE_NAMES = ["loras/e\x1b[31mvil", "base/a b", "mi\u202ene/x", "experiment/.hidden", "loras/\udc80"]
_file_names = st.sampled_from(FILE_NAMES * 4 + ODD_FILE_NAMES).map(lambda name: f"{name}.yaml")
config_dirs: st.SearchStrategy[Mapping[str, bytes]] = st.dictionaries(
    _file_names, config_file(), min_size=1, max_size=3
)
