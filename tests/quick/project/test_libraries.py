"""Private parts of libraries are named in ``tcdflow/libraries`` alone, and listed with what they are for.

That they are there in the versions installed is held by ``tests/pipeline/test_libraries.py``, which imports torch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIBRARIES = ROOT / "tcdflow" / "libraries"

PRIVATE = {
    "hydra._internal.config_loader_impl.ConfigLoaderImpl": "a loader that looks at each file before it is merged",
    "hydra._internal.config_loader_impl.ConfigLoaderImpl._load_single_config": "the moment between reading and merging",
    "hydra._internal.config_loader_impl.ConfigLoaderImpl._compose_config_from_defaults_list": "values left open (???)",
    "hydra._internal.config_loader_impl.ConfigLoaderImpl._apply_overrides_to_config": "setting values on a copy",
    "hydra._internal.config_loader_impl.get_overrides_dirname": "setting values on a copy",
    "hydra._internal.config_repository.ConfigRepository": "refusing files that are more than data",
    "hydra._internal.config_repository.IConfigRepository": "the type of what a loader reads from",
    "hydra._internal.config_search_path_impl.ConfigSearchPathImpl": "a search path of several directories",
    "hydra._internal.hydra.Hydra": "Hydra's flags, and sweeps that plug-ins drive",
    "hydra._internal.utils.get_args_parser": "parsing Hydra's flags",
    "omegaconf.basecontainer.BaseContainer._resolvers": "taking resolvers along to Ray's workers",
    "omegaconf.DictConfig._set_parent": "putting a node back without a copy",
    "diffusers.StableDiffusionPipeline._lora_loadable_modules": "which components LoRAs can change",
    "diffusers.hooks.group_offloading._GROUP_OFFLOADING": "taking group offloading off",
    "diffusers.hooks.group_offloading._LAYER_EXECUTION_TRACKER": "taking group offloading off",
    "diffusers.hooks.group_offloading._LAZY_PREFETCH_GROUP_OFFLOADING": "taking group offloading off",
    "torch._dynamo": "telling errors of torch.compile from others",
    "torch._inductor": "telling errors of torch.compile from others",
    "PIL._avif": "whether Pillow was built with AVIF, without importing it",
    "threading._shutdown": "waiting for threads before a process leaves without teardown",
    "logging._lock": "threads that go on logging after an interrupt",
    "atexit._run_exitfuncs": "running exit handlers before a process leaves without teardown",
}
"""Each private name that is used, and what for."""

UNDOCUMENTED = {
    "huggingface_hub.file_download.http_get": "going on with a download where a killed process was",
}
"""What no underscore gives away."""

TEXTS = {
    "Error executing job with overrides": "hydra",
    "You must specify '": "hydra",
    "Available options: ": "hydra",
    "Error merging override": "hydra",
    "full_key": "omegaconf",
    ".incomplete": "huggingface_hub",
    ".locks": "huggingface_hub",
}
"""Texts and names of files that libraries write and we read, with the library of each."""

ATTRIBUTES = {
    "httpx2.Client._transport": "making the connections of a client by a backend of one's own",
    "httpx2.Client._mounts": "making those to proxies, too",
    "httpx2.HTTPTransport._pool": "making the connections of a client by a backend of one's own",
    "httpcore2.ConnectionPool._network_backend": "making the connections of a client by a backend of one's own",
}
"""Private attributes of instances, which no class shows: ``tests/fetch/test_web.py`` fails where one is gone."""

PUBLIC = {"_exit", "_replace", "_asdict", "_fields", "_typeshed"}
"""Names that are documented in spite of their underscore."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def defined(tree: ast.Module) -> set[str]:
    """Names that a file itself gives to functions, classes, attributes and fields."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                names.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


_MODULE = re.compile(r"(?!tcdflow\.)[A-Za-z]\w*(\.\w+)+")
"""A module's name in a string, such as ``find_spec`` takes."""


def texts(source: str) -> list[str]:
    """The strings of a file, without its docstrings."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone)
    return [node.value for node in constants if isinstance(node.value, str)]


def private_names(source: str) -> Iterator[str]:
    """Yield names of other packages that begin with an underscore: imported, or looked up in another's object."""
    tree = ast.parse(source)
    own = defined(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if any(map(is_private, a.name.split("."))))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("tcdflow"):
            for alias in node.names:
                if any(map(is_private, [*node.module.split("."), alias.name])):
                    yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            through_super = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super"
            if through_super or node.attr not in own:
                yield node.attr
        elif isinstance(node, ast.Attribute) and node.attr == "__class__" and isinstance(node.ctx, ast.Store):
            yield "__class__"
    yield from (text for text in texts(source) if _MODULE.fullmatch(text) and any(map(is_private, text.split("."))))


def patched(source: str) -> Iterator[str]:
    """Yield what is assigned to in an imported module or class."""
    tree = ast.parse(source)
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            root: ast.expr = node
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and root.id in imported:
                yield ast.unparse(node)


SETTINGS = {
    "logging.raiseExceptions",
    "sys.argv",
    "sys.unraisablehook",
    "tempfile.tempdir",
    "torch.backends.cuda.matmul.allow_tf32",
    "torch.backends.cudnn.allow_tf32",
}
"""Switches that a library documents as assignments."""
STREAMS = {"sys.stdin", "sys.stdout", "sys.stderr"}


def elsewhere() -> list[Path]:
    found = sorted(path for path in (ROOT / "tcdflow").rglob("*.py") if LIBRARIES not in path.parents)
    assert len(found) > 100
    return found


def test_private_parts_are_named_in_their_librarys_module_alone() -> None:
    found = {}
    for path in elsewhere():
        source = path.read_text("utf-8")
        if names := [*private_names(source), *(set(patched(source)) - SETTINGS - STREAMS)]:
            found[path.relative_to(ROOT).as_posix()] = names
    assert found == {}, "use something public, or move it to tcdflow/libraries/ with the reason"


def test_what_libraries_write_is_read_in_their_module_alone() -> None:
    read: dict[str, set[str]] = {text: set() for text in TEXTS}
    for path in (ROOT / "tcdflow").rglob("*.py"):
        for own in texts(path.read_text("utf-8")):
            for text in TEXTS:
                if text in own:
                    read[text].add(path.relative_to(ROOT).as_posix())
    assert read == {text: {f"tcdflow/libraries/{library}.py"} for text, library in TEXTS.items()}


def test_those_that_are_used_are_listed_here() -> None:
    used = {name for path in LIBRARIES.glob("*.py") for name in private_names(path.read_text("utf-8"))}
    listed = {name for known in PRIVATE | ATTRIBUTES for name in (known, known.rpartition(".")[2])}
    assert used <= listed
    assert {name for name in PRIVATE | ATTRIBUTES if name not in used and name.rpartition(".")[2] not in used} == set()


def test_contributing_lists_them_with_the_reason() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for name in [*PRIVATE, *ATTRIBUTES, *UNDOCUMENTED]:
        assert f"`{name.rpartition('.')[2]}`" in text or f"`{name}`" in text, name
    for words in TEXTS:
        assert words.strip(" '") in text, words


def test_contributing_has_a_row_for_each_library() -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("\n## Private parts of libraries\n")[2]
    rows = re.findall(r"^\| `(\w+\.py)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(rows) == sorted(path.name for path in LIBRARIES.glob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from hydra._internal.hydra import Hydra", ["hydra._internal.hydra.Hydra"]),
        ("from torch import _dynamo", ["torch._dynamo"]),
        ("import ray._private.worker", ["ray._private.worker"]),
        ("pipe._execution_device", ["_execution_device"]),
        ("class A:\n def _a(self): self._b = 1; other._b; other._a()", []),
        ("class A(B):\n def _a(self): super()._a()", ["_a"]),
        ("from tcdflow._version import __version__", []),
        ("import os\nos._exit(1)", []),
        ("pipe.__class__ = A", ["__class__"]),
        ("find_spec('PIL._avif')", ["PIL._avif"]),
        ("'tcdflow._version', 'no name._of one', '_x', 'os.path'", []),
    ],
)
def test_the_scan_sees(source: str, found: list[str]) -> None:
    assert list(private_names(source)) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ray import worker\nworker.print_to = 1", ["worker.print_to"]),
        ("import sys\nsys.stderr.write = f", ["sys.stderr.write"]),
        ("import torch\nx = torch.y\nself.torch = x", []),
    ],
)
def test_the_scan_sees_patches(source: str, found: list[str]) -> None:
    assert list(patched(source)) == found
