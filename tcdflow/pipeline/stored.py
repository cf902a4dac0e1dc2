"""Weights as they lie in files that stay open: read again in place of a copy kept in memory."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from tcdflow.errors import RunError
from tcdflow.files.safetensors_header import Span, spans
from tcdflow.files.stamp import Stamp

_DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_HEAD = 16
_PART = 1 << 20
"""Bytes that are read at once."""
_TRIES = 4
"""Tensors of one shape that begin alike are mostly constants; untrusted files may have any number of them."""


class StoredTensor:
    """A tensor in an open file, read part by part: a part stays in the processor's cache while it is cast."""

    def __init__(self, file: StoredFile, span: Span) -> None:
        self._file = file
        self._span = span
        self._dtype = _DTYPES[span.dtype]

    @cached_property
    def head(self) -> Tensor:
        """Its first numbers."""
        numbers = torch.empty(min(_HEAD, math.prod(self._span.shape)), dtype=self._dtype)
        self._file.read_into(_bytes(numbers), self._span.start)
        return numbers

    def restore(self, weight: Tensor) -> None:
        """Give a weight its numbers, cast to the weight's dtype, where it lies.

        Raises:
            RunError: if its file was changed since it was opened.
        """
        flat = weight.view(-1) if weight.is_contiguous() else torch.empty_like(weight.reshape(-1))
        for start, numbers in self._parts():
            flat[start : start + len(numbers)] = numbers.to(weight.dtype)
        if not weight.is_contiguous():
            weight.copy_(flat.view(weight.shape))
        self._file.check()

    def holds(self, weight: Tensor) -> bool:
        """Say whether it has a weight's bits once it is cast to the weight's dtype.

        Raises:
            RunError: if its file was changed since it was opened.
        """
        flat = weight.reshape(-1).cpu()
        same = all(
            _same_bits(numbers.to(flat.dtype), flat[start : start + len(numbers)]) for start, numbers in self._parts()
        )
        self._file.check()
        return same

    def _parts(self) -> Iterator[tuple[int, Tensor]]:
        """Yield its numbers with the place of their first one; each time in the same memory."""
        count = math.prod(self._span.shape)
        part = torch.empty(min(_PART // self._dtype.itemsize, count), dtype=self._dtype)
        for start in range(0, count, len(part)):
            numbers = part[: count - start]
            self._file.read_into(_bytes(numbers), self._span.start + start * self._dtype.itemsize)
            yield start, numbers


class StoredFile:
    """A safetensors file that stays open as long as this object lives: its name may lead elsewhere meanwhile.

    Raises:
        SourceError: if its header is damaged.
        OSError: if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._handle)
        self._stamp = Stamp.of_open(self._handle)
        self.spans = [span for span in spans(path) if span.dtype in _DTYPES]

    @property
    def unchanged(self) -> bool:
        """Whether it has the bytes that it had."""
        return Stamp.of_open(self._handle) == self._stamp

    def check(self) -> None:
        """Refuse a file that was changed.

        Raises:
            RunError: if it was.
        """
        if not self.unchanged:
            raise RunError("a weight file of the base was changed while it was in use; start the run again")

    def read_into(self, buffer: memoryview, start: int) -> None:
        """Fill a buffer with the bytes that begin at a place.

        Raises:
            RunError: if the file has become shorter.
        """
        while buffer:
            count = os.preadv(self._handle, [buffer], start)
            if not count:
                raise RunError("a weight file of the base was cut short while it was in use; start the run again")
            buffer, start = buffer[count:], start + count


class StoredWeights:
    """The tensors of weight files, found by what they hold and not by their names, which libraries change on loading.

    Args:
        paths: of safetensors files, just loaded.
    """

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._files = [StoredFile(path) for path in paths]
        self._by_shape: dict[tuple[int, ...], list[StoredTensor]] = {}
        for file in self._files:
            for span in file.spans:
                self._by_shape.setdefault(_shape(span.shape), []).append(StoredTensor(file, span))

    @property
    def unchanged(self) -> bool:
        """Whether all files have the bytes that they had when they were opened."""
        return all(file.unchanged for file in self._files)

    def find(self, weight: Tensor) -> StoredTensor | None:
        """Return a tensor of the files that has a weight's bits once it is cast to its dtype; None if there is none."""
        if not weight.numel():
            return None
        row = weight[0] if weight.dim() > 1 else weight
        head = row.reshape(-1)[:_HEAD]
        alike = (one for one in self._by_shape.get(_shape(weight.shape), ()) if _begins(one, head))
        return next((one for one, _ in zip(alike, range(_TRIES), strict=False) if one.holds(weight)), None)


def _begins(stored: StoredTensor, head: Tensor) -> bool:
    return _same_bits(stored.head[: len(head)].to(head.dtype), head.cpu())


def _bytes(numbers: Tensor) -> memoryview:
    return numbers.view(torch.uint8).numpy().data


def _same_bits(one: Tensor, other: Tensor) -> bool:
    bits = _BITS[one.element_size()]
    return torch.equal(one.view(bits), other.view(bits))


def _shape(shape: Iterable[int]) -> tuple[int, ...]:
    """Leave out sides of 1: a linear layer and a convolution of 1 × 1 hold the same."""
    return tuple(size for size in shape if size != 1)
