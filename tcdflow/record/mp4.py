"""H.264 in MP4 through imageio's ffmpeg. Imported only when a video is written or read."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import imageio_ffmpeg
from PIL import Image

from tcdflow.errors import OutputError, RecordError, printable
from tcdflow.record.pixels import MAX_FRAMES, MAX_PIXELS

_ENCODE = {
    # Players take small untagged videos for one colour matrix and large ones for the other: say which it is.
    "-vf": "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+bitexact+full_chroma_int,"
    "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709",
    "-crf": "12",
    "-preset": "medium",
    "-threads": "1",  # a frame is divided among threads, so their number would decide bits
    # No date and no name of a program: neither in the container nor, as x264 does it, in the stream.
    "-fflags": "+bitexact",
    "-flags:v": "+bitexact",
    "-map_metadata": "-1",
    "-metadata:s:v:0": "encoder=",
    "-bsf:v": "filter_units=remove_types=6",
    "-movflags": "+faststart",
}
_DECODE = {"-fps_mode": "passthrough", "-vf": "scale=flags=accurate_rnd+bitexact+full_chroma_int"}


def encode(frames: Sequence[Image.Image], fps: int, workplace: Path) -> tuple[bytes, list[Image.Image]]:
    """Return the bytes of a video, the same for the same frames and ffmpeg, and its frames as decoded again.

    H.264 with halved colour planes (``yuv420p``, which every player knows) has even sizes only: an odd width or
    height gets its last column or row once more. No frame is scaled.

    Args:
        frames: RGB, all of one size.
        fps: frames a second, 1 to 60; exact.
        workplace: folder in which ffmpeg may keep a temporary file.

    Raises:
        OutputError: if ffmpeg is missing or did not write every frame.
    """
    even = [_even(frame) for frame in frames]
    try:
        with tempfile.TemporaryDirectory(dir=workplace.resolve(), prefix=".partial-") as folder:
            path = Path(folder, "animation.mp4")
            writer = imageio_ffmpeg.write_frames(
                str(path),
                even[0].size,
                fps=fps,
                codec="libx264",
                quality=None,
                macro_block_size=1,
                ffmpeg_log_level="quiet",
                output_params=_flat(_ENCODE),
            )
            writer.send(None)
            for frame in even:
                writer.send(frame.tobytes())
            writer.close()
            written = list(decoded(path))
            if len(written) != len(even):
                raise OutputError(f"ffmpeg wrote {len(written)} of {len(even)} frames")
            return path.read_bytes(), written
    except (OSError, RuntimeError, RecordError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        reason = re.sub(r"\S*\.partial-\S*", "the video", first)
        raise OutputError(printable(f"ffmpeg could not write a video into {workplace}: {reason}"[:600])) from None


def decoded(path: Path) -> Iterator[Image.Image]:
    """Yield the RGB frames of a video.

    Raises:
        RecordError: if it cannot be read, has more than 8192² pixels a frame or more than 1024 frames.
    """
    try:
        if not path.is_file():
            raise RecordError(printable(f"{path}: is not a file"))
        # A resolved path begins with a slash: ffmpeg takes no part of it for a protocol or an option.
        reader = imageio_ffmpeg.read_frames(str(path.resolve()), output_params=_flat(_DECODE))
        width, height = next(reader)["size"]
        if width * height > MAX_PIXELS:
            raise RecordError(printable(f"{path}: {width}x{height} pixels: more than any run makes"))
        for number, frame in enumerate(reader):
            if number == MAX_FRAMES:
                raise RecordError(printable(f"{path}: more than {MAX_FRAMES} frames"))
            yield Image.frombytes("RGB", (width, height), frame)
    except (OSError, RuntimeError, ValueError, IndexError, KeyError, StopIteration) as error:
        raise RecordError(printable(f"{path}: cannot be decoded: {type(error).__name__}")) from None


def _even(frame: Image.Image) -> Image.Image:
    width, height = frame.width + frame.width % 2, frame.height + frame.height % 2
    if (width, height) == frame.size:
        return frame
    padded = Image.new("RGB", (width, height))
    # Placed from the far corner to the near one: what is left over of the first ones is the repeated edge.
    for offset in ((width - frame.width, height - frame.height), (width - frame.width, 0), (0, height - frame.height)):
        padded.paste(frame, offset)
    padded.paste(frame, (0, 0))
    return padded


def _flat(options: dict[str, str]) -> list[str]:
    return [word for option in options.items() for word in option]
