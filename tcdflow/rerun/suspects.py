"""Why pixels may differ: what has changed since the recorded run, likeliest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tcdflow.record.document import Record
from tcdflow.record.environment import PACKAGES
from tcdflow.rerun.source import Recorded, differences, shown

_DONE = ("pipeline", "scheduler", "timesteps", "unet_calls")
_ENVIRONMENT = ("device", "device_name", "platform", "cpu_capability")
_OF_A_LORA = ("name", "modules", "weight", "weights_of_layers")
_LAST = ("attention", "deterministic", "tf32", "cudnn_tf32")
_HARMLESS = ("output", "description")


def suspects(then: Recorded, now: Record) -> list[str]:
    """List what differs between a recorded run and the one made from it, in order of suspicion.

    Args:
        then: the recorded run; of an image alone, only spec, lock and the version of tcdflow are known.
        now: the record of the new one.
    """
    lines = [*_lock(then, now), *then.doubts, *_spec(then, now)]
    record = then.record
    if record is None:
        lines += _other("tcdflow", then.tcdflow, now.environment.get("tcdflow"))
        return lines
    lines += _inputs(record, now)
    lines += [line for name in _DONE for line in _other(name, record.execution, now.execution, name)]
    lines += _attached(record.execution, now.execution)
    lines += _other("tcdflow", record.environment, now.environment, "tcdflow")
    was, now_ = (_mapping(one.environment.get("packages")) for one in (record, now))
    lines += [line for name in dict.fromkeys((*PACKAGES, *was, *now_)) for line in _other(name, was, now_, name)]
    lines += _other("python", record.environment, now.environment, "python")
    lines += [line for name in _ENVIRONMENT for line in _other(name, record.environment, now.environment, name)]
    lines += _components(record.execution, now.execution)
    lines += _other("threads", record.environment, now.environment, "threads")
    lines += _other("batch", record.execution, now.execution, "batch")
    lines += _fused(record.execution, now.execution)
    lines += [line for name in _LAST for line in _other(name, record.environment, now.environment, name)]
    return lines


def _lock(then: Recorded, now: Record) -> Iterator[str]:
    was, now_ = ({(f.role, f.file): f.sha256 for f in lock} for lock in (then.lock, now.lock))
    for role, file in dict.fromkeys((*was, *now_)):
        one, other = was.get((role, file)), now_.get((role, file))
        if one != other:
            yield f"lock: {role}: {shown(file)}: {_short(one)} then, {_short(other)} now"


def _spec(then: Recorded, now: Record) -> Iterator[str]:
    """Whatever was overridden; ``runtime.offload`` and the like are among it."""
    for key, one, other in differences(then.spec.model_dump(mode="json"), now.spec):
        if not set(_HARMLESS) & set(key.split(".")) or key in ("output.format", "output.quality"):
            yield f"spec: {shown(key)[1:-1]}: {shown(one)} then, {shown(other)} now"


def _inputs(then: Record, now: Record) -> Iterator[str]:
    """Files that are the same may be read otherwise by another version, or fitted to another size."""
    was, now_ = ({image.name: image.pixel_sha256 for image in record.inputs} for record in (then, now))
    for name in was:
        if name in now_ and was[name] != now_[name]:
            hashes = f"{_short(was[name])} then, {_short(now_[name])} now"
            yield f"pixels of input {shown(name)[1:-1]}: {hashes}"


def _other(name: str, one: Any, other: Any, key: str | None = None) -> list[str]:
    """Compare two values, or what two mappings hold of a key; what an older record does not have is not a suspect."""
    if key is not None:
        one, other = _mapping(one), _mapping(other)
        if key not in one:
            return []
        one, other = one[key], other.get(key)
    return [] if one == other else [f"{shown(name)[1:-1]}: {_plain(one)} then, {_plain(other)} now"]


def _components(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    was, now = _mapping(one.get("components")), _mapping(other.get("components"))
    for fact in ("dtype", "device", "class"):
        for name in was if now else ():
            before, after = (_mapping(found.get(name)).get(fact) for found in (was, now))
            if before != after:
                yield f"{fact} of {shown(name)[1:-1]}: {_plain(before)} then, {_plain(after)} now"


def _attached(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    # Of which an older record does not know all.
    known = [fact for fact in _OF_A_LORA if all(fact in lora for lora in _stack(one))]
    was, now = ([{fact: lora.get(fact) for fact in known} for lora in _stack(found)] for found in (one, other))
    return [] if was == now else [f"loras attached: {_plain(was)} then, {_plain(now)} now"]


def _fused(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    was, now = ([lora.get("fused") for lora in _stack(found)] for found in (one, other))
    return [] if was == now or len(was) != len(now) else [f"loras fused: {_plain(was)} then, {_plain(now)} now"]


def _stack(execution: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = execution.get("loras")
    return [_mapping(lora) for lora in found] if isinstance(found, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain(value: object) -> str:
    text = shown(value)
    return text[1:-1] if isinstance(value, str) else text


def _short(sha256: str | None) -> str:
    return sha256[:16] if sha256 else "absent"
