"""Verifies many runs on one warm engine, such as the cells of a sweep."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tcdflow.errors import NoRoomError, RecordError, RequestError, TcdflowError
from tcdflow.record import document
from tcdflow.request.prepare import Preparer, fetched
from tcdflow.request.request import Prepared
from tcdflow.rerun.source import CELLS, Recorded, find
from tcdflow.rerun.verify import Verified, comparable, verify, verify_batch
from tcdflow.spec.batch import batch_key, is_in
from tcdflow.text import about, reason

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine


def sample(directory: Path, size: int | None, planned: int = 0) -> tuple[list[Path], int]:
    """Return the cells of a sweep that are done, or as many of them as asked for, and how many are not done.

    A sample is the same each time. Cells whose record cannot be read count as done, for somebody to hear of them.

    Args:
        directory: of the sweep.
        size: of the sample; None for all.
        planned: how many cells there are to be, where that is known: those that nobody began have no directory.

    Raises:
        RecordError: if none is done.
    """
    cells = sorted(cell for cell in (directory / CELLS).iterdir() if cell.is_dir())
    done = [cell for cell in cells if _is_done(cell)]
    if not done:
        raise RecordError(about(directory, f"none of its {max(planned, len(cells))} cells is done"))
    chosen = done if size is None or size >= len(done) else random.Random(0).sample(done, size)
    return chosen, max(planned, len(cells)) - len(done)


def verify_cells(
    cells: Sequence[Path],
    engine: Callable[[], Engine],
    interrupted: Callable[[], bool] = lambda: False,
    *,
    allow_pickle: bool = False,
    fetch: bool = False,
) -> Iterator[Verified]:
    """Verify runs one after the other on one warm engine; what is wrong with one of them does not stop the rest.

    Those that share a model come one after the other, and those of one batch are made at once.

    Args:
        cells: run directories.
        engine: gives the engine.
        interrupted: whether the user wants to stop, in case that the exception which said so was lost.
        allow_pickle: whether the user lets pickled weights be read.
        fetch: whether the user lets be downloaded what only the records name.
    """
    preparer = Preparer()
    found: list[Recorded] = []
    for cell in cells:
        try:
            found.append(comparable(find(cell)))
        except TcdflowError as error:
            yield Verified(str(cell), failed=reason(error, 600))
    for _, group in itertools.groupby(sorted(found, key=_cost), key=_batch):
        runs: list[tuple[Recorded, Prepared]] = []
        for recorded in group:
            try:
                runs.append((recorded, fetched(preparer(recorded.request(allow_pickle=allow_pickle, fetch=fetch)))))
            except RequestError as error:
                yield Verified(str(recorded.path), failed=reason(error, 600))
        try:
            verified = _verified(runs, engine)
        except NoRoomError:  # nor would the next one have any
            raise
        except RequestError as error:
            verified = [Verified(str(recorded.path), failed=reason(error, 600)) for recorded, _ in runs]
        except Exception as error:
            if interrupted():
                raise KeyboardInterrupt from error
            engine().close()  # what the failed run has left in memory
            verified = [Verified(str(recorded.path), failed=reason(error, 600)) for recorded, _ in runs]
        yield from verified


def _verified(runs: Sequence[tuple[Recorded, Prepared]], engine: Callable[[], Engine]) -> list[Verified]:
    """Verify runs of one batch, or one run that was made alone."""
    together = [(recorded, recorded.batch, prepared) for recorded, prepared in runs if recorded.batch is not None]
    apart = {batch.position for _, batch, _ in together}
    if len(together) < 2 or len(apart) < len(together):  # two copies of one cell would make another batch
        return [verify(recorded, prepared, engine) for recorded, prepared in runs]
    return verify_batch(sorted(together, key=lambda one: one[1].position), engine)


def _batch(recorded: Recorded) -> Any:
    """Return what is the same for runs of one batch, and for no others."""
    batch = recorded.batch
    if batch is None or not is_in(recorded.spec, batch):
        return str(recorded.path)
    return batch.pictures, batch_key(recorded.spec), recorded.lock


def _is_done(cell: Path) -> bool:
    if not (cell / document.FILE_NAME).exists():
        return False
    try:
        return document.read(cell).status == "done"
    except RecordError:
        return True


def _cost(recorded: Recorded) -> tuple[str, ...]:
    plain = recorded.spec.model_dump(mode="json")
    heavy = [plain[part] for part in ("base", "runtime", "adapters", "loras", "lora_stack")]
    together = f"{recorded.batch.pictures}{batch_key(recorded.spec)}" if recorded.batch else ""
    return json.dumps(heavy), together, str(recorded.path)
