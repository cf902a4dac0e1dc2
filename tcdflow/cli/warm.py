"""``tcdflow warm start|status|stop``: a process that keeps the model loaded between commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tcdflow.cli.arguments import Arguments
from tcdflow.cli.progress import duration
from tcdflow.errors import ConfigError, Problem, RunError
from tcdflow.text import printable, reason
from tcdflow.warm import client, identity, place, start, wire

EXAMPLES = (
    ("tcdflow warm start --idle 120", "start one, which ends when no command has come for two hours"),
    ("tcdflow warm status", "show those that run, and whether they serve this terminal: exit status 0 if one does"),
)
_ABOUT = f"""\
Keeps a process that has libraries imported and the model loaded. Commands that are typed later run in it, and begin at
once. Output, files, exit status and Ctrl-C are those of a process of their own, and so is each image, bit for bit.

With {client.VARIABLE}=1, each command starts one if there is none; with {client.VARIABLE}=0, none is used. A command
runs in a process of its own while another one is running, and where variables, limits or installed packages are not
those that the warm process was started with.
It ends by itself when it is idle for long, and when memory is short."""
_WORDS = ("start", "status", "stop")
_SHOWN = 3


def parser() -> Arguments:
    """Return the parser of its arguments."""
    parser = Arguments("warm", _ABOUT, EXAMPLES)
    parser.add_argument("action", choices=_WORDS, metavar="|".join(_WORDS), help="what to do")
    parser.add_argument(
        "--idle",
        type=float,
        metavar="MINUTES",
        help=f"with start: end after so long without a command ({start.IDLE:g})",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Start, show or stop warm processes."""
    args = parser().read(argv)
    if args.idle is not None and (args.action != "start" or not 0 < args.idle < float("inf")):
        raise ConfigError([Problem("--idle", "is a number of minutes above 0, for warm start", args.idle)])
    if sys.platform != "linux":
        raise RunError("warm processes need Linux: what passes files and names users over a socket is its own")
    if args.action == "start":
        return _start(args.idle or start.IDLE)
    return _status() if args.action == "status" else _stop()


def _start(idle: float) -> int:
    name = identity.digest(identity.identity())
    path = Path(place.directory(), name + place.ENDING)
    there = start.ask(str(path), "status")
    try:
        if there is None and (channel := start.start(name, idle=idle, ready=True)) is not None:
            with channel:
                there = start.said(channel, "status", patience=client.BIRTH)
    except place.PlaceError as error:
        raise RunError(str(error)) from None
    except OSError as error:
        raise RunError(f"no process can be started: {reason(error)}") from error
    if there is None:
        raise RunError(
            "the warm process did not answer: options of the interpreter (python -O) can keep it from starting"
        )
    print(_line(there))
    return 0


def _status() -> int:
    own, serves = identity.identity(), False
    for path in place.sockets():
        said = start.ask(path, "status")
        if said is None:
            print(f"{path}: no answer; tcdflow warm stop takes it away")
            continue
        theirs = said.get("identity")
        differ = identity.differences(own, theirs) if isinstance(theirs, dict) else ["version"]
        serves = serves or not differ
        more = f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
        print(_line(said) + (f"; not for this terminal: other {', '.join(differ[:_SHOWN])}{more}" if differ else ""))
    if not serves:
        print("no warm process serves this terminal; tcdflow warm start", file=sys.stderr)
    return 0 if serves else 1


def _stop() -> int:
    for path in place.sockets():
        said = start.stop(path)
        if said is None:
            if start.kill(path):
                print(f"{path}: it did not answer, and was killed")
            Path(path).unlink(missing_ok=True)
        else:
            if not said.get("busy"):
                start.wait_until_ended(path)
            print(f"{_name(said)} ends" + (" when its command is done" if said.get("busy") else ""))
    return 0


def _line(said: wire.Message) -> str:
    """Describe a process by what it says of itself."""
    numbers = {
        name: float(str(said.get(name) or 0)) for name in ("seconds", "idle_seconds", "idle", "commands", "bytes")
    }
    left = duration(max(0, 60 * numbers["idle"] - numbers["idle_seconds"]))
    doing = "runs a command" if said.get("busy") else f"ends in {left} without a command"
    return (
        f"{_name(said)}: {numbers['commands']:.0f} commands in {duration(numbers['seconds'])}, "
        f"{numbers['bytes'] / 1e6:.0f} MB; {doing}"
    )


def _name(said: wire.Message) -> str:
    return printable(f"warm process {said.get('pid')}")
