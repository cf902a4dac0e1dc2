"""Makes recorded runs again on one engine and compares their pixels."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tcdflow.artifacts.sizes import settle
from tcdflow.engine.execute import execute
from tcdflow.errors import NoRoomError, RecordError, RequestError, TcdflowError, printable
from tcdflow.record import document
from tcdflow.record.document import Record
from tcdflow.record.rundir import RunDirectory
from tcdflow.rerun.pin import Pinned, pin
from tcdflow.rerun.source import CELLS, Recorded, find
from tcdflow.rerun.suspects import suspects
from tcdflow.spec.model import RunSpec

if TYPE_CHECKING:
    from tcdflow.engine.engine import Engine
    from tcdflow.engine.making import Step
    from tcdflow.rerun.compare import Verdict


@dataclass(frozen=True)
class Verified:
    """What came of making a run again.

    Attributes:
        name: of the run.
        verdicts: one for each picture.
        suspects: what differs between then and now; of interest where a picture does.
        failed: why it could not be made or compared, in one line.
    """

    name: str
    verdicts: tuple[Verdict, ...] = ()
    suspects: tuple[str, ...] = ()
    failed: str | None = None

    @property
    def identical(self) -> bool:
        """Whether all of it is as it was."""
        return self.failed is None and all(verdict.identical for verdict in self.verdicts)


def comparable(recorded: Recorded) -> Recorded:
    """Return a recorded run once it is known to have made something.

    Raises:
        RecordError: if it has not.
    """
    if not recorded.outputs:
        status = f": its status is {recorded.record.status}" if recorded.record else ""
        raise RecordError(f"{recorded.path}: has no pictures to compare with{status}")
    return recorded


def judge(recorded: Recorded, directory: Path, now: Record) -> Verified:
    """Compare a run made again with the recorded one."""
    from tcdflow.rerun.compare import Verdict, compare

    pairs = zip(recorded.outputs, now.outputs, strict=False)
    verdicts = [compare(expected, directory / output.file, output) for expected, output in pairs]
    then, made = len(recorded.outputs), len(now.outputs)
    if then != made:
        verdicts.append(Verdict("pictures", False, f"{then} then, {made} now"))
    return Verified(str(recorded.path), tuple(verdicts), tuple(suspects(recorded, now)))


def verify(
    recorded: Recorded,
    spec: RunSpec,
    pinned: Pinned,
    engine: Callable[[], Engine],
    on_step: Step | None = None,
    overrides: Sequence[str] = (),
) -> Verified:
    """Make a run again where nobody sees it, and compare."""
    with tempfile.TemporaryDirectory(prefix="tcdflow-verify-") as name:
        where = Path(name) / "run"
        settled = settle(spec, pinned.artifacts)
        with RunDirectory.open(where, settled, overrides=overrides, derived_from=recorded.key) as run:
            execute(settled, pinned.artifacts, run, engine, on_step, pinned.lock, recorded.batch)
        return judge(recorded, where, run.record)


def sample(directory: Path, size: int | None) -> tuple[list[Path], int]:
    """Return the cells of a sweep that are done, or as many of them as asked for, and how many are not done.

    A sample is the same each time. Cells whose record cannot be read count as done, for somebody to hear of them.

    Raises:
        RecordError: if none is done.
    """
    cells = sorted(cell for cell in (directory / CELLS).iterdir() if cell.is_dir())
    done = [cell for cell in cells if _is_done(cell)]
    if not done:
        raise RecordError(_line(f"{directory}: none of its {len(cells)} cells is done"))
    chosen = done if size is None or size >= len(done) else random.Random(0).sample(done, size)
    return chosen, len(cells) - len(done)


def verify_cells(
    cells: Sequence[Path],
    engine: Callable[[], Engine],
    interrupted: Callable[[], bool] = lambda: False,
    *,
    allow_pickle: bool = False,
) -> Iterator[Verified]:
    """Verify runs one after the other on one warm engine; what is wrong with one of them does not stop the rest.

    Those that share a model come one after the other.

    Args:
        cells: run directories.
        engine: gives the engine.
        interrupted: whether the user wants to stop, in case that the exception which said so was lost.
        allow_pickle: whether the user lets pickled weights be read.
    """
    found: list[Recorded] = []
    for cell in cells:
        try:
            found.append(comparable(find(cell)))
        except TcdflowError as error:
            yield Verified(str(cell), failed=_line(str(error)))
    for recorded in sorted(found, key=_cost):
        try:
            pinned = pin(recorded, recorded.spec, unpickle=allow_pickle)
            yield verify(recorded, recorded.spec, pinned, engine)
        except NoRoomError:  # nor would the next one have any
            raise
        except RequestError as error:
            yield Verified(str(recorded.path), failed=_line(str(error)))
        except Exception as error:
            if interrupted():
                raise KeyboardInterrupt from error
            engine().close()  # whose state nobody knows
            yield Verified(str(recorded.path), failed=_line(str(error) or type(error).__name__))


def _is_done(cell: Path) -> bool:
    if not (cell / document.FILE_NAME).exists():
        return False
    try:
        return document.read(cell).status == "done"
    except RecordError:
        return True


def _cost(recorded: Recorded) -> tuple[str, str]:
    plain = recorded.spec.model_dump(mode="json")
    heavy = [plain[part] for part in ("base", "runtime", "adapters", "loras", "lora_stack")]
    return json.dumps(heavy), str(recorded.path)


def _line(text: str) -> str:
    return printable(" ".join(text.split()))[:400]
