"""What ``torch.cuda`` says of the card."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

NAME = "stand-in of a card"


class Event:
    """A moment in a queue that is always empty."""

    def __init__(self, **options: bool) -> None:
        self._seconds = 0.0

    def record(self, stream: Stream | None = None) -> None:
        self._seconds = time.perf_counter()

    def elapsed_time(self, later: Event) -> float:
        """Return milliseconds."""
        return 1000 * (later._seconds - self._seconds)

    def synchronize(self) -> None: ...

    def wait(self, stream: Stream | None = None) -> None: ...


class Stream:
    """A queue that is always empty."""

    def __init__(self, device: object = None, priority: int = 0) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None: ...

    def synchronize(self) -> None: ...

    def wait_stream(self, stream: Stream) -> None: ...

    def wait_event(self, event: Event) -> None: ...

    def record_event(self, event: Event | None = None) -> Event:
        event = event or Event()
        event.record()
        return event


@dataclass(frozen=True)
class Properties:
    """Of the card, by the names that torch gives them."""

    total_memory: int
    name: str = NAME
    major: int = 9
    minor: int = 0
    multi_processor_count: int = 1


def answer(library: Path) -> None:
    """Have ``torch.cuda`` tell of the card.

    Args:
        library: that has its kernels.
    """
    torch.ops.load_library(library)  # type: ignore[no-untyped-call]
    card, stream = torch.ops.card, Stream()
    size, count = card.size(), card.count()

    def number(device: Any = None) -> int:
        found = device if isinstance(device, int) or device is None else torch.device(device).index
        return int(card.current() if found is None else found)

    def always(value: Any) -> Callable[..., Any]:
        return lambda *args, **options: value

    def of_card(tell: Callable[[int], Any]) -> Callable[..., Any]:
        return lambda device=None: tell(number(device))

    def limit(fraction: float, device: Any = None) -> None:
        card.limit(number(device), int(fraction * size))

    answers: dict[str, Any] = {
        "Event": Event,
        "Stream": Stream,
        "_exchange_device": lambda device: card.exchange(device),  # dynamo tells the two apart
        "_lazy_init": always(None),
        "_maybe_exchange_device": lambda device: card.exchange(device),
        "current_device": lambda: card.current(),
        "current_stream": always(stream),
        "default_generators": tuple(torch.Generator(f"cuda:{one}") for one in range(count)),
        "default_stream": always(stream),
        "device_count": always(count),
        "empty_cache": always(None),
        "get_device_properties": always(Properties(size)),
        "is_available": always(True),
        "is_initialized": always(True),
        "manual_seed": always(None),
        "manual_seed_all": always(None),
        "max_memory_allocated": of_card(card.peak),
        "mem_get_info": of_card(lambda one: (size - card.held(one), size)),
        "memory_allocated": of_card(card.held),
        "memory_reserved": of_card(card.held),
        "reset_peak_memory_stats": of_card(card.forget_peak),
        "set_device": lambda device: card.exchange(number(device)),
        "set_per_process_memory_fraction": limit,
        "stream": lambda given: given or stream,
        "synchronize": always(None),
    }
    for name, value in answers.items():
        assert hasattr(torch.cuda, name), f"torch.cuda.{name} is gone"
        setattr(torch.cuda, name, value)
    torch._C._cuda_getDevice = card.current
    torch.Tensor.pin_memory = lambda self, *args: self  # type: ignore[method-assign]
    torch.Tensor.record_stream = always(None)  # type: ignore[method-assign]
