"""What makes one warm process as good as a cold one for a command: the same code, variables and limits."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys

Identity = dict[str, dict[str, object]]

_HARMLESS = {
    *("_", "PWD", "OLDPWD", "SHLVL", "PATH", "TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
    *("WINDOWID", "WINDOWPATH", "WINDOW", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "STY", "SHELL", "LOGNAME"),
    *("LS_COLORS", "LSCOLORS", "EDITOR", "VISUAL", "PAGER", "LESS", "LESSOPEN", "LESSCLOSE", "MANPATH", "MAIL", "PS1"),
    *("PROMPT_COMMAND", "HISTFILE", "HISTSIZE", "HISTCONTROL", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "TMPDIR"),
    *("VTE_VERSION", "INVOCATION_ID", "JOURNAL_STREAM", "MANAGERPID", "SYSTEMD_EXEC_PID", "SESSION_MANAGER"),
    *("DBUS_SESSION_BUS_ADDRESS", "DESKTOP_SESSION", "GDMSESSION", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"),
    *("COMP_LINE", "COMP_POINT", "COMP_WORDBREAKS", "COMP_TYPE", "COMP_KEY", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"),
}
_HARMLESS_PREFIXES = (
    *("TERM_", "TMUX", "SSH_", "XDG_SESSION_", "XDG_CURRENT_DESKTOP", "XDG_SEAT", "XDG_VTNR", "GNOME_", "KITTY_"),
    *("ITERM_", "LC_TERMINAL", "ALACRITTY_", "WEZTERM_", "KONSOLE_", "WT_", "VSCODE_", "CONDA_", "GPG_", "TCDFLOW_"),
)
"""What differs between terminals, and what is read anew by each command. Any other variable may be read once, by a
library as it is imported or by the system's loader, and so is compared: another value is another process."""

_SECRET = ("_TOKEN", "_SECRET", "_PASSWORD", "_KEY")
_FLAGS = ("optimize", "dev_mode", "utf8_mode", "no_site", "no_user_site", "ignore_environment", "bytes_warning")
_LIMITS = ("AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "STACK")
_SPACES = ("mnt", "net", "pid", "user")


def identity() -> Identity:
    """Return what this process and one that serves it have to have in common. Values of variables are hashed."""
    return {
        "variable": {name: _hash(value) for name, value in os.environ.items() if compared(name)},
        "python": {
            "version": sys.version,
            "environment": sys.prefix,
            "flags": [getattr(sys.flags, name) for name in _FLAGS],
            "warnings": list(sys.warnoptions),
        },
        "packages": {place: _changed(place) for place in sys.path if place.endswith("-packages")},
        "tcdflow": _own_files(),
        "process": {
            "processors": sorted(os.sched_getaffinity(0)),
            "priority": os.getpriority(os.PRIO_PROCESS, 0),
            "limits": [resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in _LIMITS],
            "users": [*os.getresuid(), *os.getresgid(), *sorted(os.getgroups())],
            "namespaces": [_namespace(kind) for kind in _SPACES],
        },
    }


def digest(of: Identity) -> str:
    """Return an identity as the name of a socket."""
    return _hash(json.dumps(of, sort_keys=True))


def differences(one: Identity, other: Identity) -> list[str]:
    """Name what two identities do not have in common, such as ``variable OMP_NUM_THREADS``."""
    found = []
    for kind in one | other:
        mine, theirs = one.get(kind, {}), other.get(kind, {})
        found += [f"{kind} {name}" for name in sorted(mine | theirs) if _plain(mine, name) != _plain(theirs, name)]
    return found


def without_secrets() -> dict[str, str]:
    """Return the variables of this process that one which stays may keep."""
    return {name: value for name, value in os.environ.items() if not _secret(name)}


def compared(name: str) -> bool:
    """Say whether commands with different values of a variable need different processes."""
    return not (name in _HARMLESS or name.startswith(_HARMLESS_PREFIXES) or _secret(name))


def _secret(name: str) -> bool:
    # Not HF_HUB_DISABLE_IMPLICIT_TOKEN, which is a switch.
    return name.upper().endswith(_SECRET) and "DISABLE" not in name


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _plain(part: dict[str, object], name: str) -> str:
    return json.dumps(part.get(name))  # which knows no tuples: one identity may have come as JSON


def _changed(path: str) -> int:
    """Return when something was last installed in a directory."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _own_files() -> dict[str, object]:
    """Return where tcdflow is, and a hash over when each of its files was changed."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    conf = os.path.join(os.path.dirname(package), "conf")
    inside = os.path.isdir(os.path.join(package, "conf"))
    lines: list[str] = []
    for folder in (package,) if inside else (package, conf):
        _stat_files(folder, lines)
    return {"directory": package, "files": _hash("\n".join(sorted(lines)))}


def _stat_files(folder: str, lines: list[str]) -> None:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":
                _stat_files(entry.path, lines)
        else:
            found = entry.stat(follow_symlinks=False)
            lines.append(f"{entry.path} {found.st_mtime_ns} {found.st_size}")


def _namespace(kind: str) -> int:
    try:
        return os.stat(f"/proc/self/ns/{kind}").st_ino
    except OSError:
        return 0
