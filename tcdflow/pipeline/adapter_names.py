"""Names of LoRAs in peft, which keeps adapters in modules where "type", "keys" and the like are reserved."""

from __future__ import annotations

_SUFFIX = "_lora"


def adapter_name(lora: str) -> str:
    """Return the name of a LoRA's adapter in peft."""
    return lora + _SUFFIX


def lora_name(adapter: str) -> str:
    """Return the name that the user gave to the LoRA of an adapter."""
    return adapter.removesuffix(_SUFFIX)
