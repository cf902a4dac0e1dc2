"""Packages that fetch, compile or quantize, as stubs that record each import and call, and a process that has them.

``python -m tests.untrusted.stubs FOLDER`` loads all that a run can read, plainly, and then with configs that choose
code. It writes ``found.json``: what the stubs recorded while models were loaded plainly, what became of each attack,
and what reaches a stub where nothing is checked.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.untrusted.parts import changed, configs, copies, judged, tried

KERNELS = ("kernels", "flash_attn", "flash_attn_interface", "xformers", "sageattention", "xielu", "natten", "apex")
QUANTIZERS = ("bitsandbytes", "optimum", "quanto", "gptqmodel", "auto_gptq", "awq", "torchao", "hqq", "eetq", "aqlm")
OTHERS = ("compressed_tensors", "modelopt", "deepspeed", "megatron", "timm", "gguf", "nunchaku", "liger_kernel")
STUBS = (*KERNELS, *QUANTIZERS, *OTHERS)
DISTRIBUTIONS = {"awq": "autoawq", "modelopt": "nvidia-modelopt", "flash_attn_interface": "flash-attn-3"}
"""What a package is called where it is not called as its module."""
VERSIONS = {"kernels": "0.18.2"}
"""Of a package that is taken in some versions alone."""

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
        decorated = len(args) == 1 and isinstance(args[0], type | types.FunctionType)
        return args[0] if decorated else cls

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
        version = VERSIONS.get(name, "99.0")
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "top_level.txt").write_text(f"{name}\n")
    sys.path.insert(0, str(folder))
    sys.meta_path.insert(0, _Finder())


def attacks(parts: dict[str, Path]) -> Iterator[tuple[str, Path, str, Any]]:
    """Yield each part, file, key and value."""
    for what, folder in parts.items():
        for path in configs(folder) if folder.is_dir() else ():
            yield from ((what, path, key, value) for key, value in CODE.items())


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
    from tcdflow.files import component_config

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
