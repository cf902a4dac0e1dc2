"""A copy of each stand-in that a run can read, whose configs tests change, and the loading of each alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def copies(folder: Path) -> dict[str, Path]:
    """Return a copy of each stand-in, by what it is to a run; beside them is an image, ``in.png``."""
    from PIL import Image

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
    Image.new("RGB", (64, 64), "orange").save(folder / "in.png")
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
        Loaded.load(wanted, files, Needs.of(wanted, files, cpu, torch.float32), Stopwatch(cpu), reusable=False)


def configs(folder: Path) -> list[Path]:
    from tcdflow.files.component_config import DATA

    return sorted(path for path in folder.rglob("*.json") if path.name not in DATA)


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
