"""TensorBoard: event files in ``tensorboard/`` of the sweep or run, written without TensorFlow or torch."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tcdflow.spec.tracker import TRACKERS, Entry, Tracker

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

FOLDER = "tensorboard"


@TRACKERS.register("tensorboard")
class TensorBoard(Tracker):
    """TensorBoard: scalars, images and hyperparameters as event files beside the run."""

    package: ClassVar[str] = "tensorboard"

    kind: Literal["tensorboard"] = "tensorboard"

    def look(self, root: Path) -> str:
        return shlex.join(["tensorboard", "--logdir", str(root / FOLDER)])

    def log(self, entry: Entry) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = entry.root / FOLDER / (entry.name if entry.record.parent != entry.root else "")
        for earlier in folder.glob("events.out.tfevents.*"):
            earlier.unlink()
        # The writer's thread keeps what fails to itself until the file is closed, or the next event is added.
        writer = EventFileWriter(str(folder))

        def add(*values: Summary.Value, at: float, step: int = 0) -> None:
            writer.add_event(Event(wall_time=at, step=step, summary=Summary(value=values)))

        try:
            add(_started(entry), at=entry.started)
            for step, numbers in entry.curves():
                add(*_scalars(numbers), at=entry.started, step=step)
            found = entry.finding(self.images)
            add(*_scalars(found.metrics), _record(entry), at=found.finished)
            for one in found.images:
                image = Summary.Image(height=one.height, width=one.width, colorspace=3, encoded_image_string=one.png)
                value = Summary.Value(tag=f"images/{one.name}", image=image)
                value.metadata.summary_description = one.caption
                add(value, at=found.finished)
            add(_ended(found.finished), at=found.finished)
            writer.flush()
        finally:
            writer.close()


def _scalars(numbers: Any) -> list[Summary.Value]:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return [Summary.Value(tag=name, simple_value=number) for name, number in numbers.items()]


def _record(entry: Entry) -> Summary.Value:
    """Return the record as text: TensorBoard knows no files."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text import metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    indented = "".join(f"    {line}\n" for line in entry.record.read_text("utf-8").splitlines())
    return Summary.Value(
        tag="run.json",
        metadata=metadata.create_summary_metadata("run.json", entry.key),
        tensor=make_tensor_proto([indented.encode()], DT_STRING),
    )


def _started(entry: Entry) -> Summary.Value:
    """Return the hyperparameters, as the HParams page reads them."""
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    info = SessionStartInfo(group_name=entry.name, start_time_secs=entry.started)
    for name, value in entry.parameters.items():
        if isinstance(value, bool):
            info.hparams[name].bool_value = value
        elif isinstance(value, str):
            info.hparams[name].string_value = value
        else:
            info.hparams[name].number_value = value
    return _hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=info))


def _ended(finished: float) -> Summary.Value:
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    info = SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=finished)
    return _hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info))


def _hparams(tag: str, data: Any) -> Summary.Value:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    described = metadata.create_summary_metadata(data)
    return Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)
