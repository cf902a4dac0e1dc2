"""The interface of trackers (group ``tracker``), which runs are shown in: TensorBoard, MLflow, Weights & Biases.

Each is one file of :mod:`tcdflow.parts.trackers` over the tracker's own client. What it is told is an :class:`Entry`,
made from the record of a run or distillation once it is there. Settings name no address: whether a tracker asks the
network, and whom, its own environment says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from tcdflow.spec.registry import OneOf, Registry
from tcdflow.spec.types import Description, Float, Int, Name, Settings

RECORD = "record.json"
"""Name of a record among a tracker's files: one called run.json would be taken for a run."""

Value = str | int | float | bool
"""Of a parameter."""


@dataclass(frozen=True)
class TrackedImage:
    """An image of an entry.

    Attributes:
        name: what it is called among the entry's images, such as ``seed 7``.
        caption: prompt and seed, or what else it shows.
        width: in pixels.
        height: in pixels.
        png: its bytes as PNG: those of the file itself where that is one.
    """

    name: str
    caption: str
    width: int
    height: int
    png: bytes


@dataclass(frozen=True)
class Finding:
    """What came of a run or distillation.

    Attributes:
        metrics: numbers by name, seconds by stage among them.
        images: in the order of their seeds.
        finished: when it ended, in seconds since 1970.
    """

    metrics: Mapping[str, float]
    images: Sequence[TrackedImage]
    finished: float


class Entry(ABC):
    """A run or distillation as a tracker is told of it.

    Attributes:
        key: the run key.
        id: hash of key and place, the same whenever it is told: what an earlier try has left is known by it.
        group: name of the sweep, or of the folder that single runs share.
        name: of the run within its group.
        root: directory of the sweep, or the run's own: a tracker that writes files writes them below it.
        record: path of ``run.json``.
        started: when it began, in seconds since 1970.
        parameters: settings by dotted key.
    """

    key: str
    id: str
    group: str
    name: str
    root: Path
    record: Path
    started: float
    parameters: Mapping[str, Value]

    @abstractmethod
    def curves(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Yield steps with their numbers; while it is training, each as soon as it is there."""

    @abstractmethod
    def finding(self, images: int) -> Finding:
        """Return what came of it; to be asked after the curves.

        Args:
            images: that are wanted at most.
        """


class Tracker(Settings, ABC):
    """A tracker: subclass it in a file of its own and register the subclass.

    Attributes:
        package: that its client is imported from; the extra of tcdflow's that brings it has the name of the kind.
        environment: variables that its client reads as it is imported, set where the user has not set them.
    """

    package: ClassVar[str]
    environment: ClassVar[Mapping[str, str]] = {}

    kind: str = Field(description="what it is")
    description: Description = ""
    images: Int = Field(16, ge=0, le=1024, description="images of a run that it is given; 0 gives none")
    wait: Float = Field(
        60.0,
        ge=0.0,
        le=86_400.0,
        description="seconds that it is waited for at the end of a run or sweep; the rest is for tcdflow track",
    )

    @abstractmethod
    def log(self, entry: Entry) -> None:
        """Log an entry, in the place of what an earlier try has left of it.

        Raises:
            Exception: whatever its client raises.
        """

    @abstractmethod
    def look(self, root: Path) -> str:
        """Return the command that shows what was logged of a directory."""


TRACKERS: Registry[type[Tracker]] = Registry("tracker", "tcdflow.parts.trackers")


class Tracking(Settings):
    """The trackers that are told of a run, by name."""

    tracker: dict[Name, Annotated[Tracker, OneOf(TRACKERS, "kind")]] = Field(
        default_factory=dict, description="trackers by name; several at once are given as a list of presets"
    )


UNTRACKED = Tracking.model_construct(tracker={})
"""No tracker; made without the parts, which takes 40 ms at every start."""
