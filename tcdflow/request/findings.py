"""What a run is warned of once its files are known: what its spec, weight headers and inputs show. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from tcdflow.files import base_checks, memory
from tcdflow.files.artifact import Artifacts
from tcdflow.inputs import findings as inputs
from tcdflow.request import embeddings, truncation
from tcdflow.spec import rules
from tcdflow.spec.model import RunSpec


def warnings(spec: RunSpec, files: Artifacts) -> Iterator[str]:
    """Yield what is allowed and probably not meant. It is asked for each cell of a sweep, so it has to be cheap.

    Args:
        spec: the run, its size resolved.
        files: its local files; those that are absent yet are not read.
    """
    yield from rules.warnings(spec)
    yield from truncation.warnings(spec, files, embeddings.counts(spec, files))
    yield from files.warnings
    yield from memory.warnings(spec, files)
    yield from base_checks.warnings(spec, files)
    yield from inputs.warnings(spec, files)
