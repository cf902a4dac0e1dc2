"""Well-meant and hostile input: overrides in Hydra's grammar and beside it, and config files."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st
from pydantic import BaseModel

from tcdflow.config.compose import Composer
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
