"""H.264 in MP4 through imageio's ffmpeg. Imported only when a video is written or read."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import imageio_ffmpeg
from PIL import Image

from tcdflow.errors import OutputError, RecordError
from tcdflow.record.pixels import MAX_FRAMES, MAX_PIXELS
from tcdflow.text import printable

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
    width, height = even[0].size
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    try:
        with tempfile.TemporaryDirectory(dir=workplace, prefix=".partial-") as folder:
            path = Path(folder, "animation.mp4").resolve()
            _feed([*given, "-c:v", "libx264", "-pix_fmt", "yuv420p", *_flat(_ENCODE), f"file:{path}"], even, folder)
            written = list(decoded(path))
            if len(written) != len(even):
                raise OutputError(f"{workplace}: ffmpeg wrote {len(written)} of {len(even)} frames of a video")
            return path.read_bytes(), written
    except (OSError, RuntimeError, RecordError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise OutputError(printable(_one_line(f"{workplace}: no video can be written: {reason}"))) from None


def decoded(path: Path) -> Iterator[Image.Image]:
    """Yield the RGB frames of a video.

    Raises:
        RecordError: if it cannot be read, has more than 8192² pixels a frame or more than 1024 frames.
    """
    try:
        yield from _decoded(path)
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RecordError(printable(_one_line(f"{path}: cannot be decoded: {reason}"))) from None


def _decoded(path: Path) -> Iterator[Image.Image]:
    if not path.is_file():
        raise ValueError("is not a file")
    # The format is said, not guessed, and only files may be opened: a playlist that is named like a video could
    # have ffmpeg read others, here or elsewhere.
    command = [_ffmpeg(), "-v", "quiet", "-nostdin", "-protocol_whitelist", "file", "-f", "mov"]
    command += [
        "-i",
        f"file:{path.resolve()}",
        "-map",
        "0:v:0",
        *_flat(_DECODE),
        "-f",
        "image2pipe",
        "-c:v",
        "ppm",
        "-",
    ]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            for number in itertools.count():
                head = [process.stdout.readline(64) for _ in range(3)]  # b"P6", width and height, b"255"
                if not head[0]:
                    break
                width, height = map(int, head[1].split())
                if width * height > MAX_PIXELS or number == MAX_FRAMES:
                    raise ValueError(f"frame {number + 1} of {width}x{height} pixels is more than any run makes")
                # Pillow says so (ValueError) if the frame is cut short.
                yield Image.frombytes("RGB", (width, height), process.stdout.read(3 * width * height))
            if process.wait() != 0:
                raise ValueError("is no MP4 video, or is damaged")
        finally:
            process.kill()


def _feed(arguments: list[str], frames: Sequence[Image.Image], folder: str) -> None:
    """Run ffmpeg on frames; RuntimeError has its last words."""
    with tempfile.TemporaryFile(dir=folder) as log:
        # In a session of its own: an interrupt is for us, who then end it.
        with subprocess.Popen(
            [_ffmpeg(), "-v", "error", "-y", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        ) as process:
            try:
                assert process.stdin is not None
                for frame in frames:
                    process.stdin.write(frame.tobytes())
                process.stdin.close()
            except BrokenPipeError:
                pass  # it ended early, and says below why
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            log.seek(0)
            said = log.read(4000).decode("utf-8", "replace").replace(folder, "").strip().splitlines()
            raise RuntimeError(f"ffmpeg: {said[-1] if said else process.returncode}")


def _ffmpeg() -> str:
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _one_line(text: str) -> str:
    return " ".join(text[:600].split())


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
