"""What people and strangers may write: overrides in Hydra's grammar and beside it, and files of configs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import yaml
from hypothesis import strategies as st
from pydantic import BaseModel

from tcdflow.spec.compose import Composer
from tcdflow.spec.model import RunSpec
from tcdflow.spec.sweep import SweepSpec

COMPOSER = Composer()
GROUPS = {group: COMPOSER.options(group) for group in COMPOSER.groups()}


def _keys(annotation: Any, prefix: str = "") -> set[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found: set[str] = set()
        for name, field in annotation.model_fields.items():
            key = f"{prefix}.{name}" if prefix else name
            found |= {key} | _keys(field.annotation, key)
        return found
    stand_ins = ("tcd", "canny") if str(annotation).startswith("dict[") else ("",)
    return {
        key
        for inner in get_args(annotation)
        for name in stand_ins
        for key in _keys(inner, f"{prefix}.{name}" if name else prefix)
    }


MORE_KEYS = {"loras.tcd", "loras.mine", "loras.mine.source", "adapters.canny", "lock", "security.allow_pickle"}
KEYS = sorted(_keys(RunSpec) | MORE_KEYS)
SWEEP_KEYS = sorted(_keys(SweepSpec, "sweep") | {"sweep"})
HYDRA_KEYS = [
    "hydra",
    "hydra.run.dir",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
    "hydra.callbacks.x._target_",
    "hydra.job.env_set.TCDFLOW_FUZZ",
    "hydra.job.chdir",
    "hydra.job.name",
    "hydra.verbose",
    "hydra.mode",
    "hydra.searchpath",
    "hydra.output_subdir",
    "hydra/launcher",
    "hydra/sweeper",
    "hydra/job_logging",
    "hydra.launcher.n_jobs",
    "hydra.sweeper.max_batch_size",
    "hydra.runtime.cwd",
]
ODD_NAMES = ["_target_", "_self_", "_global_", "_group_", "defaults", "", ".", "..", "a..b", "/", "0", "null", "a b"]

ODD_CHARACTERS = (
    "\x00\x07\x1b\t\n\r\x7f\x85\xa0\u2028\u202e\u200b\ufeff\udc80\ud800é中😀$§%&{}[]()=,:;@~+-*/\\|<>'\"#!?`^._ "
)
text = st.text(max_size=12) | st.text(st.sampled_from(ODD_CHARACTERS + "abc01"), max_size=8)

INTERPOLATIONS = [
    "${base.size}",
    "${prompt}",
    "${.seed}",
    "${..base.size}",
    "${nowhere}",
    "${}",
    "${",
    "${${base.family}}",
    "${oc.env:HOME}",
    "${oc.decode:'1'}",
    "${oc.select:base,x}",
    "${oc.create:{a:1}}",
    "${now:%Y}",
    "${hydra:runtime.cwd}",
    "${base}",
    "${loras}",
    "x${sampling.steps}y",
    "\\${prompt}",
    "$" + "{a" * 30,
    "???",
]
NUMBERS = [
    *(
        "0",
        "1",
        "-1",
        "4",
        "8",
        "0.3",
        "1.0",
        "1e3",
        "1e400",
        "-0.0",
        ".5",
        "5.",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "1_000",
    ),
    *(str(2**63 - 1), str(2**63), str(-(2**63)), "9" * 400, "9" * 5000, "1e-400", "007", "+1", "1j"),
]
SWEEPS = [
    *("1,2", "a,b,", ",", "range(3)", "range(1,9,2)", "range(0,1,0)", "range(5,1)", "choice(1,2)", "choice()"),
    *("interval(0,1)", "glob(*)", "glob([a*,b*],exclude=c)", "glob([)", "shuffle(1,2,3)", "shuffle(range(3))"),
    *("sort(3,1,2)", "sort(a,1,reverse=true)", "tag(a,b,choice(1,2))", "tag(t,interval(0,1))", "range(1e9)"),
    *("int(1.5)", "int('a')", "float(3,4)", "str([1])", "bool(x)", "json_str({a:1})", "cast(1)", "extend_list(1,2)"),
    *("int(choice(1,2))", "[1,2],[3]", "{a:1},{a:2}", "[],null", "nosuch(1)", "range(a,b)", "range(0.2,0.9,0.3)"),
]
QUOTED = [
    "'a'",
    '"a"',
    "''",
    "'",
    '"',
    "'a",
    "'it\\'s'",
    "'a,b'",
    "a'b",
    "'a'b",
    "\\'",
    "a\\,b",
    "\\",
    "'\\\\'",
    "a:b",
    "a=b",
]
VALID = [
    *("true", "false", "null", "none", "cpu", "cuda:0", "float32", "tcd", "ddim", "emoji", "sd15", "embedded:emoji"),
    *(
        "a red fox",
        "./nowhere.safetensors",
        "owner/name",
        "owner/name@main/x.safetensors",
        "x.ckpt",
        "../../etc/passwd",
    ),
    *("/etc/passwd", "file:///etc/passwd", "https://example.invalid/x.png", "http://[", "~nobody/x", "data:,x", "png"),
    *("text_to_image", "inpainting", "controlnet", "linear", "auto", "full", "epsilon", "canny", "continue"),
]


def _nested(depth: int) -> st.SearchStrategy[str]:
    shape = st.sampled_from([("[", "]"), ("{a:", "}"), ("[[", "],1]"), ("{a:[", "]}")])
    return shape.map(lambda pair: pair[0] * depth + "1" + pair[1] * depth)


atoms = st.one_of(
    st.sampled_from(VALID), st.sampled_from(NUMBERS), st.sampled_from(INTERPOLATIONS), st.sampled_from(QUOTED), text
)
values = st.one_of(
    atoms,
    st.sampled_from(SWEEPS),
    st.lists(atoms, max_size=4).map(lambda items: f"[{','.join(items)}]"),
    st.dictionaries(
        st.sampled_from(["source", "weight", "a", "_target_", "name", "seed"]) | text, atoms, max_size=3
    ).map(lambda items: "{" + ",".join(f"{name}:{value}" for name, value in items.items()) + "}"),
    st.lists(atoms, min_size=2, max_size=3).map(",".join),
    st.integers(1, 200).flatmap(_nested),
)


@st.composite
def misspelt(draw: st.DrawFn, names: st.SearchStrategy[str]) -> str:
    """A name with a letter too many, too few, or in another case."""
    name = draw(names)
    at = draw(st.integers(0, max(len(name) - 1, 0)))
    how = draw(st.sampled_from(["drop", "double", "swap", "case", "odd"]))
    if how == "drop":
        return name[:at] + name[at + 1 :]
    if how == "double":
        return name[:at] + name[at : at + 1] * 2 + name[at + 1 :]
    if how == "swap":
        return name[:at] + name[at + 1 : at + 2] + name[at : at + 1] + name[at + 2 :]
    return name.swapcase() if how == "case" else name[:at] + draw(st.sampled_from(ODD_CHARACTERS)) + name[at:]


known_keys = st.sampled_from(KEYS)
keys = st.one_of(
    known_keys,
    known_keys,
    misspelt(known_keys),
    st.sampled_from(HYDRA_KEYS),
    st.sampled_from(ODD_NAMES),
    st.tuples(known_keys, st.sampled_from(ODD_NAMES) | text).map(".".join),
    text,
)


@st.composite
def fitting(draw: st.DrawFn) -> str:
    """An override that is right, or nearly."""
    key, choices = draw(
        st.sampled_from(
            [
                ("prompt", ["a red fox", "a, b", "it's", '"', "${base.size}"]),
                ("sampling.steps", ["1", "8", "50", "51", "0"]),
                ("sampling.eta", ["0", "0.3", "1", "1.01"]),
                ("sampling.seed", ["0", "[1,2]", "[]", str(2**63)]),
                ("sampling.guidance_scale", ["0", "7.5", "101"]),
                ("sampling.width", ["64", "60", "8192", "null"]),
                ("loras.tcd.weight", ["0.5", "{unet: {down: 0.5, mid: 1}}", "[1]", "-100.5"]),
                ("loras.tcd.weight.unet", ["1", "{down: [1, 2]}"]),
                ("scheduler.clip_sample", ["true", "null"]),
                ("scheduler.name", ["ddim", "lcm", "tdc"]),
                ("lora_stack.fuse", ["true", "no"]),
                ("lora_stack.merge", ["null", "{method: svd}", "{method: ties, density: 0.5}", "{}"]),
                ("output.format", ["png", "jpg"]),
                ("task", ["image_to_image", "inpainting"]),
                ("task.image", ["nowhere.png", "."]),
                ("runtime.device", ["cpu", "cuda:1", "tpu"]),
                ("base.size", ["64", "128", "1000"]),
                ("lock", ["nowhere.json", "/dev/zero", "'~nobody/x'", "null", "[]"]),
                ("hydra.sweep.dir", ["made", "~nobody/x", "\x1b[31m"]),
                ("security.allow_pickle", ["true", "false", "maybe"]),
            ]
        )
    )
    return f"{key}={draw(st.sampled_from(choices))}"


@st.composite
def choosing(draw: st.DrawFn) -> str:
    """A choice of a group, or of several."""
    group = draw(st.sampled_from(sorted(GROUPS)))
    option = st.one_of(
        st.sampled_from(GROUPS[group]), misspelt(st.sampled_from(GROUPS[group])), st.sampled_from(ODD_NAMES), values
    )
    some = st.lists(option, max_size=3).map(lambda names: f"[{','.join(names)}]")
    package = draw(st.sampled_from(["", "", "", "@x", "@_global_", "@hydra.job", "@a:b", "@:b", "@", "@base.x"]))
    prefix = draw(st.sampled_from(["", "", "", "+", "++", "~", "/", "override "]))
    name = draw(st.just(group) | misspelt(st.just(group)))
    return f"{prefix}{name}{package}={draw(option | some)}"


@st.composite
def setting(draw: st.DrawFn) -> str:
    """Any key set, added or deleted to anything."""
    prefix = draw(st.sampled_from(["", "", "", "+", "++", "~", "~~", "+++", "-", "--"]))
    package = draw(st.sampled_from(["", "", "", "", "@x", "@x:y", "@"]))
    sign = draw(st.sampled_from(["=", "=", "=", "=", "", " = ", "==", ":"]))
    return f"{prefix}{draw(keys)}{package}{sign}{draw(values) if sign else ''}"


overrides = st.one_of(fitting(), choosing(), setting(), setting(), text)
sweep_settings = st.tuples(st.sampled_from(SWEEP_KEYS) | misspelt(st.sampled_from(SWEEP_KEYS)), values).map(
    "=".join
) | (
    st.sampled_from(
        [
            "sweep.zip=[[sampling.steps,sampling.eta]]",
            "sweep.exclude=[{sampling.steps:2}]",
            "sweep.exclude=[{}]",
            "sweep.sample.count=2",
            "sweep.axes={sampling.eta: [0, 0.5], base: [emoji]}",
            "+sweep.axes.sampling.eta=[0,1]",
            "sweep.axes={sampling.seed: 'range(3)', prompt: [a, 'b, c']}",
            "sweep.axes={sweep.name: [a, b]}",
            "sweep.axes={hydra.run.dir: [a, b]}",
            "sweep.axes={'': [1]}",
            "sweep.prompts_from=/dev/zero",
            "sweep.prompts_from=.",
            "sweep.prompts_from=~nobody/x.txt",
            "sweep.prompts_from=/proc/self/environ",
            "sweep.name=../up",
        ]
    )
)


@dataclass(frozen=True)
class Request:
    """A command line, and the files of the ``--config-dir`` that goes with it."""

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)


# Files of configs.

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


def requests(
    verb: Sequence[str],
    *others: st.SearchStrategy[str],
    files: st.SearchStrategy[Mapping[str, bytes]] = st.just({}),  # noqa: B008
) -> st.SearchStrategy[Request]:
    """Overrides behind a verb, of all kinds and of some others."""
    choices = [f"{name.partition('/')[0]}={name.partition('/')[2]}" for name in FILE_NAMES]
    more = [st.sampled_from(choices)] * 3 if files is config_dirs else []
    odd = st.lists(st.one_of(overrides, *others, *more), min_size=1, max_size=2)
    right = st.lists(st.one_of(fitting(), *others, *more), max_size=3)
    return st.builds(
        lambda words, more, files: Request((*verb, *map(_argument, (*more, *words))), files), odd, right, files
    )


def _argument(word: str) -> str:
    return word.replace("\0", "")  # which no process is given


FLAGS = [
    *("--help", "-h", "--version", "-m", "--multirun", "--cfg", "job", "all", "hydra", "--resolve", "--package", "-p"),
    *(
        "--info",
        "config",
        "--config-dir",
        "nowhere",
        "-cd",
        "/",
        "--config-name",
        "-cn",
        "--config-path",
        "-cp",
        "--run",
    ),
    *(
        "--experimental-rerun",
        "--verify",
        "--sample",
        "--retry-failed",
        "--nonsense",
        "-x",
        "--",
        "-",
        "-sc",
        "nowhere",
    ),
    *("check", "ls", "resume", "rerun", "fetch", "lock", "gallery", "base", "loras", "hydra/launcher", "plan.json"),
]
verbs = st.builds(
    lambda verb, words: Request((*verb, *map(_argument, words))),
    st.sampled_from(["", "check", "ls", "resume", "rerun", "fetch", "-m", "check -m", "help"]).map(str.split),
    st.lists(st.sampled_from(FLAGS) | overrides, max_size=4),
)
