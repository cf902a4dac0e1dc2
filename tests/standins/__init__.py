"""Tiny stand-ins, with random weights, of the repositories on the Hugging Face hub that tcdflow works with.

Every class, file and folder is as on the hub, so that tests run the real loading code of diffusers on a CPU
in seconds; only the channels are few, and the weights are random, from fixed seeds. ``StandIns(root)`` gives
the paths and builds what is missing; the fixture ``standins`` (plugin ``tests.standins.fixtures``) keeps them
in a folder that later sessions reuse. The builders, each of which takes a destination, can be called alone:
``bases.build_base``, ``loras.build_lora``, ``adapters.build_…``, ``extras.build_…``,
``single_file.build_single_file``. They import torch; what is listed here does not.
"""

from .names import (
    FAMILIES,
    IMAGE_SIZE,
    IP_ADAPTER_FILES,
    IP_ADAPTER_SUBFOLDERS,
    LORA_FILES,
    MOTION_LORA_FILE,
    AdapterFamily,
    BaseName,
    ControlKind,
    Family,
    LoraKind,
    MotionVersion,
)
from .store import StandIns, shared_root

__all__ = [
    "FAMILIES",
    "IMAGE_SIZE",
    "IP_ADAPTER_FILES",
    "IP_ADAPTER_SUBFOLDERS",
    "LORA_FILES",
    "MOTION_LORA_FILE",
    "AdapterFamily",
    "BaseName",
    "ControlKind",
    "Family",
    "LoraKind",
    "MotionVersion",
    "StandIns",
    "shared_root",
]
