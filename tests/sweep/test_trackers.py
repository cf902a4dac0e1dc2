"""Trackers told of a sweep by processes of their own, read back through each client's own readers; no network."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.config.plugins import Drive
from tcdflow.files.exclusive import lock
from tcdflow.multirun import planned
from tcdflow.multirun.launcher import Launcher, Process
from tcdflow.multirun.planned import PlannedSweep
from tcdflow.multirun.watcher import Watcher
from tcdflow.record import document
from tcdflow.tracking import follow
from tests.sweep.fake import FakeEngine, Sweep, pictures

ALL = "tracker=[tensorboard,mlflow,wandb]"
AXES = ("sampling.seed=1,2,3", "sampling.width=64", "sampling.height=64")
NO_NETWORK = """
import socket
def refused(*args, **kwargs):
    open({asked!r}, "a").write(f"{{args[:2]}}\\n")
    raise OSError("the network is closed")
known, socket.getaddrinfo = socket.getaddrinfo, lambda host, *a, **k: (
    known(host, *a, **k) if host in ("localhost", "127.0.0.1", "::1", None, "") else refused(host))
"""


class Warned(Watcher):
    """Keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, texts: Iterator[str]) -> None:  # type: ignore[override]
        self.warnings += texts


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where look-ups of names are written down by the processes of a test, which have no network."""
    file, folder = tmp_path / "asked", tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(NO_NETWORK.format(asked=str(file)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(Path(__file__).parents[2])]))
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    return file


def run(sweep: Sweep, *overrides: str) -> list[str]:
    """Run a sweep as the command line does, and return its warnings."""
    watcher = Warned()
    words = (*AXES, *overrides, f"hydra.sweep.dir={sweep.directory}")
    PlannedSweep.prepare(sweep.composer, words, Drive()).run(Process(sweep.engine), watcher)
    return watcher.warnings


def resume(sweep: Sweep) -> list[str]:
    watcher = Warned()
    process = Process(FakeEngine())
    planned.resume(
        sweep.directory, Launcher.alone([]), process, watcher, retry_failed=False, pickles=False, fetch=False
    )
    return watcher.warnings


def test_a_sweep_in_all_of_them(sweep: Sweep, asked: Path) -> None:
    assert run(sweep, ALL) == []
    expected = {path.name: document.read(path) for path in (sweep.directory / "cells").iterdir()}
    assert len(expected) == 3
    for read in (tensorboard, mlflow, wandb):
        found = read(sweep.directory)
        assert sorted(found) == sorted(expected)
        for name, (seed, sharpness, caption) in found.items():
            record = expected[name]
            assert seed == record.spec["sampling"]["seed"]
            assert sharpness == pytest.approx(record.execution["metrics"]["sharpness"], rel=1e-6)
            assert caption == f"a red heart, seed {seed}"
    assert not asked.exists()
    assert resume(sweep) == []  # nothing is logged twice
    assert follow.track(sweep.directory, follow.remembered(sweep.directory)).keys() == {
        "tensorboard",
        "mlflow",
        "wandb",
    }
    for read in (tensorboard, mlflow, wandb):
        assert len(read(sweep.directory)) == 3


Found = dict[str, tuple[int, float, str]]
"""Seed, sharpness and the caption of an image of each run, by name; two runs of one name would fail."""


def tensorboard(directory: Path) -> Found:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    found: Found = {}
    for folder in (directory / "tensorboard").iterdir():
        (file,) = folder.iterdir()
        events = EventAccumulator(str(file), size_guidance={"tensors": 0})
        events.Reload()
        content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        seed = metadata.parse_session_start_info_plugin_data(content).hparams["sampling.seed"].number_value
        sharpness = events.Scalars("sharpness")[-1].value
        assert events.Tensors("run.json")
        (png,) = (one.encoded_image_string for one in events.Images("images/000"))
        assert png == (directory / "cells" / folder.name / "000.png").read_bytes()
        found[folder.name] = (int(seed), sharpness, events.SummaryMetadata("images/000").summary_description)
    return found


def mlflow(directory: Path) -> Found:
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name(directory.name)
    assert experiment is not None
    found: Found = {}
    for run in client.search_runs([experiment.experiment_id]):
        artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
        record = document.read_file(artifacts / "record.json")
        assert (record.key, run.info.status) == (run.data.tags["tcdflow.key"], "FINISHED")
        assert len(list((artifacts / "images").glob("*.png"))) == 1
        name = str(run.info.run_name)
        assert name not in found
        caption = json.loads((artifacts / "captions.json").read_text())["0"]
        seed = int(run.data.params["sampling.seed"])
        found[name] = (seed, run.data.metrics["sharpness"], caption)
    return found


def wandb(directory: Path) -> Found:
    """By W&B's own messages; the reader of its offline files is a program that uploads."""
    from wandb.proto.wandb_internal_pb2 import Record

    found: Found = {}
    for file in (directory / "wandb").glob("offline-run-*/run-*.wandb"):
        read: dict[str, Any] = {}
        name = ""
        for data in messages(file.read_bytes()):
            message = Record.FromString(data)
            name = name or message.run.display_name
            read |= {item.key: json.loads(item.value_json) for item in message.run.config.update}
            for item in message.history.item:
                read[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
        assert name not in found
        assert len(list(file.parent.glob("files/media/images/*.png"))) == 1
        assert document.read_file(file.parent / "files/record.json").key == read["tcdflow_key"]
        found[name] = (read["sampling.seed"], read["sharpness"], read["images.captions"][0])
    return found


def messages(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a W&B file: LevelDB's log format, after a header of 7 bytes."""
    block, place, whole = 32768, 7, b""
    while place + 7 <= len(data):
        if block - place % block < 7:  # no room for another header
            place += block - place % block
            continue
        size, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # full, or the last part
            yield whole
            whole = b""


def test_a_tracker_that_hangs_costs_a_warning_alone(
    sweep: Sweep, asked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "site" / "wandb.py"
    fake.write_text("import time\ntime.sleep(600)\n")
    (warning,) = run(sweep, "tracker=wandb", "tracker.wandb.wait=0.5")
    assert warning.startswith("tracker.wandb was not through in time (tracker.wandb.wait); go on with: tcdflow track ")
    assert len(pictures(sweep.directory)) == 3
    fake.unlink()


def test_a_run_is_told_once_whoever_tells_of_it(sweep: Sweep, asked: Path) -> None:
    run(sweep)
    tracking = sweep.composer.draft(["tracker=tensorboard"]).tracking

    def told() -> int:
        report = follow.track(sweep.directory, tracking)["tensorboard"]
        assert report is not None and not report.failed
        return report.logged

    cell = next((sweep.directory / "cells").iterdir())
    with (cell / ".tracked-tensorboard").open("w") as other:  # as another process does that tells of it now
        lock(other.fileno())
        assert told() == 2
    assert told() == 1
    assert told() == 0


def test_what_a_run_of_its_own_could_not_tell_is_told_by_the_command_that_is_named(sweep: Sweep, asked: Path) -> None:
    run(sweep)
    cell = next((sweep.directory / "cells").iterdir())
    tracking = sweep.composer.draft(["tracker=tensorboard"]).tracking
    in_the_way = cell.parent.parent / "tensorboard"
    in_the_way.touch()
    warnings: list[str] = []
    with follow.followed(cell, tracking, warnings.extend):
        pass
    assert warnings[0].endswith(f"go on with: tcdflow track {cell}")
    in_the_way.unlink()
    assert dispatch(["track", str(cell)]) == 0


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise OSError(28, 'No space left on device')", "failed 3 times, first with"),
        ("import os; os.abort()", "ended without an answer"),
    ],
)
def test_a_tracker_that_fails_costs_a_warning_alone(
    code: str, said: str, sweep: Sweep, asked: Path, tmp_path: Path
) -> None:
    plain = Sweep(sweep.directory.with_name("plain"), FakeEngine())
    run(plain)
    (tmp_path / "site" / "wandb.py").write_text(code)
    (warning,) = run(sweep, "tracker=wandb")
    assert said in warning
    assert pictures(sweep.directory) == pictures(plain.directory)
    (tmp_path / "site" / "wandb.py").write_text("")
