"""H.264 in MP4, by PyAV, which is imported when a video is written or read. The recipe stands in a file beside it."""

from __future__ import annotations

import io
import platform
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

from tcdflow.spec.formats import ANIMATION_FORMATS, MAX_FRAMES, MAX_PIXELS, AnimationFormat, Encoded, Texts

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av.container import OutputContainer
    from av.filter import Graph
    from PIL import Image

_BRANDS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"avc1", b"mp41", b"mp42", b"M4V ", b"qt  ")
"""Of the first box: ours is the first, the others are what tools write that copy a video into a new file."""

_SCALE = "flags=accurate_rnd+bitexact+full_chroma_int"
_FILTERS = (
    # Players take small untagged videos for one colour matrix and large ones for the other: say which it is.
    ("scale", f"out_color_matrix=bt709:out_range=tv:{_SCALE}"),
    ("format", "pix_fmts=yuv420p"),
    ("setparams", "color_primaries=bt709:color_trc=bt709:colorspace=bt709"),
)
_CODEC = {
    "crf": "12",
    "preset": "medium",
    "threads": "1",  # a frame is divided among threads, so their number would decide bits
    "flags": "+bitexact",
    "color_primaries": "bt709",
    "color_trc": "bt709",
    "colorspace": "bt709",
    "color_range": "tv",
}
if platform.machine() in ("x86_64", "AMD64"):
    # x264's code for AVX-512 reads memory that nobody has set, in small frames: the same frames gave other bytes from
    # call to call. SSE4 is what numpy asks of a processor, so that all of them write the same.
    _CODEC["x264-params"] = "asm=SSE4"
_CONTAINER = {"movflags": "faststart", "fflags": "+bitexact"}  # bitexact: no date and no name of a program
_UNSIGNED = "filter_units=remove_types=6"  # x264 writes its name and settings into the stream, as a SEI unit
_READER: dict[str, Any] = {"plugin": "pyav", "format": "mov", "options": {"codec_whitelist": "h264"}}


class Mp4(AnimationFormat):
    """MP4. H.264 with halved colour planes (``yuv420p``, which every player knows) has even sizes only.

    So an odd width or height gets its last column or row once more; no frame is scaled.
    """

    label = "MP4"
    suffix = ".mp4"
    media_type = "video/mp4"
    description = "smallest; full colour, at exactly the frames a second asked for; the recipe in a .json beside it"

    def claims(self, start: bytes) -> bool:
        return start[4:8] == b"ftyp" and start[8:12] in _BRANDS

    def encode(
        self, frames: Sequence[Image.Image], texts: Texts | None, *, fps: int, loop: bool, quality: int
    ) -> Encoded:
        # PyAV itself: imageio's plug-in of it can set neither an encoder's options nor a filter of its packets.
        import av
        import numpy as np
        from av.bitstream import BitStreamFilterContext

        width, height = (side + side % 2 for side in frames[0].size)
        target = io.BytesIO()

        def reopened(*_: object) -> io.BytesIO:  # to move the index to the front, the muxer reads what it has written
            return io.BytesIO(target.getvalue())

        try:
            with av.open(target, "w", format="mp4", options=_CONTAINER, io_open=reopened) as container:
                stream = container.add_stream("libx264", rate=fps, options=_CODEC)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                graph = _graph(width, height, fps)
                unsigned = BitStreamFilterContext(_UNSIGNED, stream)
                for number, frame in enumerate(frames):
                    given = av.VideoFrame.from_ndarray(np.asarray(_even(frame)), "rgb24")
                    given.pts = number
                    graph.push(given)
                    for packet in stream.encode(graph.vpull()):
                        _mux(container, stream, unsigned.filter(packet))
                for packet in stream.encode(None):
                    _mux(container, stream, unsigned.filter(packet))
                _mux(container, stream, unsigned.filter(None))
        except av.FFmpegError as error:
            raise ValueError(f"ffmpeg: {error}") from None
        return Encoded(target.getvalue())

    def frames(self, file: BinaryIO) -> Iterator[Image.Image]:
        import imageio.v3 as iio
        from PIL import Image

        # The container and the codec are given, not guessed, and no name is given: a playlist that looks like a video
        # could have ffmpeg read other files.
        with iio.imopen(file, "r", **_READER) as video:
            _, height, width, _ = video.properties().shape
            _check(width, height)
            for number, frame in enumerate(
                video.iter(filter_sequence=[("scale", _SCALE), ("format", "pix_fmts=rgb24")])
            ):
                _check(frame.shape[1], frame.shape[0], number)
                yield Image.fromarray(frame)


def _graph(width: int, height: int, fps: int) -> Graph:
    from av import VideoFormat
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1  # no workers, for which a process that is forked off later could wait when it collects the graph
    given = VideoFormat("rgb24", width, height)
    last = graph.add_buffer(width=width, height=height, format=given, time_base=Fraction(1, fps))
    for name, options in (*_FILTERS, ("buffersink", None)):
        node = graph.add(name, options)
        last.link_to(node)
        last = node
    graph.configure()
    return graph


def _mux(container: OutputContainer, stream: VideoStream, packets: Sequence[Packet[VideoStream]]) -> None:
    for packet in packets:
        packet.stream = stream
        container.mux(packet)


def _even(frame: Image.Image) -> Image.Image:
    from PIL import Image

    width, height = frame.width + frame.width % 2, frame.height + frame.height % 2
    if (width, height) == frame.size:
        return frame
    padded = Image.new("RGB", (width, height))
    # Placed from the far corner to the near one: what is left over of the first ones is the repeated edge.
    for offset in ((width - frame.width, height - frame.height), (width - frame.width, 0), (0, height - frame.height)):
        padded.paste(frame, offset)
    padded.paste(frame, (0, 0))
    return padded


def _check(width: int, height: int, number: int = 0) -> None:
    if width * height > MAX_PIXELS or number >= MAX_FRAMES:
        raise ValueError(f"frame {number + 1} of {width}x{height} pixels: more than any run makes")


ANIMATION_FORMATS.add("mp4", Mp4())
