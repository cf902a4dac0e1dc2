"""Packages that fetch, compile or quantize, as stubs that record each import and call, and a process that has them.

``python -m tests.untrusted.stubs FOLDER`` loads all that a run can read, plainly, and then with configs that choose
code. It writes ``found.json``: what the stubs recorded while models were loaded plainly, what became of each attack,
and what reaches a stub where nothing is checked.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import shutil
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KERNELS = ("kernels", "flash_attn", "flash_attn_interface", "xformers", "sageattention", "xielu", "natten", "apex")
QUANTIZERS = ("bitsandbytes", "optimum", "quanto", "gptqmodel", "auto_gptq", "awq", "torchao", "hqq", "eetq", "aqlm")
OTHERS = ("compressed_tensors", "modelopt", "deepspeed", "megatron", "timm", "gguf", "nunchaku", "liger_kernel")
STUBS = (*KERNELS, *QUANTIZERS, *OTHERS)
DISTRIBUTIONS = {"awq": "autoawq", "modelopt": "nvidia-modelopt", "flash_attn_interface": "flash-attn-3"}
"""What a package is called where it is not called as its module."""

CODE: dict[str, Any] = {
    "attn_implementation": "kernels-community/anything@main",
    "_attn_implementation": "flash_attention_2",
    "_attn_implementation_internal": "kernels-community/anything",
    "experts_implementation": "kernels-community/anything",
    "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True},
    "auto_map": {"AutoModel": "evil--evil.Model", "AutoConfig": "evil.Config", "AutoTokenizer": ["evil.T", None]},
    "custom_pipeline": "evil",
    "custom_pipelines": {"x": {"impl": "evil.py"}},
    "trust_remote_code": True,
    "use_kernels": True,
    "kernel_config": {"kernel_mapping": {"RMSNorm": "kernels-community/anything:RMSNorm"}},
    "fusion_config": {"patch_embeddings": True},
    "transformers_weights": "other.safetensors",
    "hidden_act": "xielu",
    "act_fn": "xielu",
    "_class_name": ["evil", "Evil"],
    "model_type": "evil",
    "architectures": ["EvilModel"],
    "tokenizer_class": "EvilTokenizer",
    "processor_class": "EvilProcessor",
    "image_processor_type": "EvilImageProcessor",
    "feature_extractor_type": "EvilFeatureExtractor",
    "use_timm_backbone": True,
    "use_pretrained_backbone": True,
    "backbone": "timm/resnet18",
    "base_model_name_or_path": "evil/evil",
    "peft_type": "LORA",
}
"""What chooses an implementation, a kernel, a quantizer, a class, code or other weights."""

TEMPTING = ("xielu", "kernels-community/anything@main", "flash_attention_2", "evil.Evil")
"""What a library may take for a package, a repository or a class where it expects the name of something of its own."""

record: list[str] = []


class _Anything(type):
    """A class that can be called, asked for anything, and made a base class of."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Anything(f"{cls.__name__}.{name}", (), {})

    def __call__(cls, *args: object, **kwargs: object) -> Any:
        record.append(f"call {cls.__name__}")
        return cls

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __getitem__(cls, key: object) -> Any:
        return cls


class _Stub(types.ModuleType):
    """A module that has everything."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        return _Anything(f"{self.__name__}.{name}", (), {})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the stubs and all their modules."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name.partition(".")[0] not in STUBS:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        record.append(f"import {spec.name}")
        return _Stub(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        vars(module)["__version__"] = "99.0"


def install(folder: Path) -> None:
    """Have the stubs found, as installed packages of a version are."""
    for name in STUBS:
        distribution = DISTRIBUTIONS.get(name, name)
        info = folder / f"{distribution.replace('-', '_')}-99.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 99.0\n")
        (info / "top_level.txt").write_text(f"{name}\n")
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, _Finder())


def copies(folder: Path) -> dict[str, Path]:
    """Return a copy of each stand-in, by what it is to a run."""
    from tests.standins import IP_ADAPTER_FILES, StandIns, shared_root

    standins = StandIns(shared_root())
    sources = {
        "base": standins.sd15_with_safety_checker,
        "base of SDXL": standins.sdxl,
        "vae": standins.other_vae("sd15"),
        "tiny_vae": standins.tiny_vae,
        "controlnet": standins.controlnet("sd15", "canny"),
        "t2i_adapter": standins.t2i_adapter("sd15"),
        "image_encoder": standins.ip_adapter / "models" / "image_encoder",
        "motion_adapter": standins.motion_adapter(),
        "depth": standins.depth_estimator,
        "depth of a hybrid": standins.midas,
    }
    ignore = shutil.ignore_patterns("*.fp16.*")
    found = {name: shutil.copytree(path, folder / name, ignore=ignore) for name, path in sources.items()}
    found["ip_adapter"] = folder / "ip.safetensors"
    shutil.copy(standins.ip_adapter / "models" / IP_ADAPTER_FILES["sd15"][0], found["ip_adapter"])
    found["lora"] = folder / "lora.safetensors"
    shutil.copy(standins.thin_lora_file("sd15", "style_text"), found["lora"])
    return found


def spec(parts: dict[str, Path], what: str) -> Any:
    """Return a run that reads a part."""
    from tests.quick.files.fakes import spec as plain

    base = parts["base of SDXL" if what == "base of SDXL" else "base"]
    image = str(parts["base"].parent / "in.png")
    control = {"source": str(parts["controlnet"]), "image": image, "family": "sd15", "kind": "controlnet"}
    adapters: dict[str, dict[str, Any]] = {
        "controlnet": control,
        "t2i_adapter": {"source": str(parts["t2i_adapter"]), "image": image, "family": "sd15", "kind": "t2i_adapter"},
        "image_encoder": {
            "source": str(parts["ip_adapter"]),
            "image_encoder": str(parts["image_encoder"]),
            "images": image,
            "family": "sd15",
            "kind": "ip_adapter",
        },
        "motion_adapter": {"source": str(parts["motion_adapter"]), "family": "sd15", "kind": "motion_adapter"},
        **{
            name: control | {"preprocessor": {"name": "depth", "source": str(parts[name])}}
            for name in ("depth", "depth of a hybrid")
        },
    }
    options: dict[str, Any] = {"family": "sdxl" if what == "base of SDXL" else "sd15"}
    options |= {"vae": str(parts["vae"])} if what == "vae" else {}
    options |= {"safety_checker": True} if what == "base" else {}
    made = plain(str(base), loras={"x": str(parts["lora"])} if what == "lora" else {}, **options)
    told = made.model_dump()
    if what in adapters:
        told["adapters"] = {"x": adapters[what]}
    if what == "motion_adapter":
        told["task"] = {"name": "animation"}
    if what == "tiny_vae":
        told["runtime"]["tiny_vae"] = str(parts["tiny_vae"])
    return type(made).model_validate(told)


def load(parts: dict[str, Path], what: str) -> None:
    """Find and load a part as a run does."""
    import torch

    from tcdflow.engine.loaded import Loaded, Needs
    from tcdflow.engine.watch import Stopwatch
    from tcdflow.files.pins import FREE
    from tcdflow.parts.preprocessors.depth import DepthEstimator
    from tcdflow.pipeline.unpickle import without_pickles
    from tcdflow.request.prepare import Preparer
    from tcdflow.request.request import Request

    cpu = torch.device("cpu")
    wanted = spec(parts, what)
    files = without_pickles(Preparer()(Request(wanted, FREE, allow_pickle=True)).files)
    if what.startswith("depth"):
        DepthEstimator(files.by_role["adapters.x.preprocessor"].path, cpu, torch.float32)
    else:
        Loaded.load(wanted, files, Needs.of(wanted, files, cpu, torch.float32), Stopwatch(), reusable=False)


def configs(folder: Path) -> list[Path]:
    from tcdflow.files.component_config import DATA

    return sorted(path for path in folder.rglob("*.json") if path.name not in DATA)


def attacks(parts: dict[str, Path]) -> Iterator[tuple[str, Path, str, Any]]:
    """Yield each part, file, key and value."""
    for what, folder in parts.items():
        for path in configs(folder) if folder.is_dir() else ():
            yield from ((what, path, key, value) for key, value in CODE.items())


@contextmanager
def changed(path: Path, key: str, value: Any) -> Iterator[None]:
    whole = path.read_text("utf-8")
    path.write_text(json.dumps(json.loads(whole) | {key: value}))
    try:
        yield
    finally:
        path.write_text(whole, "utf-8")


def tried(parts: dict[str, Path], what: str) -> str:
    """Load a part, and return the answer to it."""
    from tcdflow.errors import TcdflowError

    try:
        load(parts, what)
    except TcdflowError as error:
        return str(error)
    return ""


def judged(path: Path) -> str:
    """Look at one config as the finder of files does."""
    from tcdflow.errors import SourceError
    from tcdflow.files.artifact import Artifact
    from tcdflow.files.finder import checked

    try:
        checked(Artifact("x", "x", None, path.parent, (path.name,), single=False))
    except SourceError as error:
        return str(error)
    return ""


def strings(parts: dict[str, Path]) -> Iterator[tuple[str, Path, str, str]]:
    """Yield each part, file and key that holds a text, once for each kind of file, with what may tempt a library."""
    seen = set()
    for what, folder in parts.items():
        for path in configs(folder) if folder.is_dir() else ():
            for key, value in json.loads(path.read_text("utf-8")).items():
                if isinstance(value, str) and (path.parent.name, path.name, key) not in seen:
                    seen.add((path.parent.name, path.name, key))
                    yield from ((what, path, key, text) for text in TEMPTING)


def main(folder: Path) -> None:
    install(folder / "packages")
    parts = copies(folder)
    from PIL import Image

    from tcdflow.files import component_config

    Image.new("RGB", (64, 64), "orange").save(folder / "in.png")
    failed = {what: said for what in parts if what != "ip_adapter" and (said := tried(parts, what))}
    plain = sorted(set(record))
    record.clear()
    answers: dict[str, dict[str, str]] = {}
    for _, path, key, value in attacks(parts):
        with changed(path, key, value):
            answers.setdefault(str(path.relative_to(folder)), {})[key] = judged(path)
    whole = {}
    for what, path in {(what, path): None for what, path, *_ in attacks(parts)}:
        with changed(path, "trust_remote_code", True):
            whole[str(path.relative_to(folder))] = tried(parts, what)
    for what, path, key, text in strings(parts):
        with changed(path, key, text):
            whole[f"{path.relative_to(folder)} {key} {text}"] = tried(parts, what)
    reached = sorted(set(record))
    unchecked = {}
    vars(component_config)["problem"] = lambda leaf, config: None
    for key in ("attn_implementation", "hidden_act"):
        record.clear()
        with changed(parts["base"] / "text_encoder" / "config.json", key, CODE[key]):
            tried(parts, "base")
        unchecked[key] = sorted(set(record) - set(plain))
    found = {"failed": failed, "plain": plain, "answers": answers, "whole": whole}
    (folder / "found.json").write_text(json.dumps(found | {"reached": reached, "unchecked": unchecked}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
