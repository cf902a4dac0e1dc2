"""Gather the wheels that tcdflow needs on a machine without a network, in the versions of this environment.

They are for x86-64 Linux. What is said to be there is left out, and what only that needs.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 24, 26, 27, 28, 31, 34)]
SOURCES_ALONE = {"antlr4-python3-runtime"}
"""What is published without a wheel; Hydra reads its grammar with it. It is pure Python."""
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def needed(there: Collection[str] = (), python: str = HERE, roots: Sequence[str] = ("tcdflow",)) -> dict[str, str]:
    """Return the version of each distribution that some need, by its name.

    Args:
        there: names of those to leave out, and all that nothing else needs.
        python: version of the machine's Python, such as 3.12.
        roots: whose requirements they are.
    """
    machine = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    machine |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    found: dict[str, str] = {}
    left = {canonicalize_name(name) for name in there}
    names = list(roots)
    while names:
        for text in requires(names.pop()) or ():
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            asked = requirement.marker is None or requirement.marker.evaluate(machine)
            if asked and name not in found and name not in left:
                found[name] = version(name)
                names.append(name)
    return found


def main() -> None:
    """Read the command line, and gather them."""
    parser = argparse.ArgumentParser(prog="python -m scripts.wheels", description=__doc__)
    parser.add_argument("folder", type=Path, help="for the wheels: a new one, or an empty one")
    parser.add_argument("--python", default=HERE, help="version of the machine's Python, such as 3.12")
    parser.add_argument("--there", nargs="+", default=[], metavar="NAME", help="distributions that the machine has")
    parser.add_argument("--tests", action="store_true", help="what the tests of a card need, too")
    given = parser.parse_args()
    if not re.fullmatch(r"3\.1[1-9]", given.python):
        parser.error(f"--python {given.python}: tcdflow needs 3.11 or newer, written as 3.12")
    known = needed(python=given.python)
    for name in given.there:
        if canonicalize_name(name) not in known:
            near = get_close_matches(canonicalize_name(name), known, 1)
            parser.error(f"--there {name}: tcdflow does not need it" + (f"; did you mean {near[0]}?" if near else ""))
    if any(given.folder.glob("*")):
        parser.error(f"{given.folder} is not empty")
    wanted = needed(given.there, given.python)
    if given.tests:
        tests = {name: version(name) for name in ("pytest", "hypothesis", "psutil")}
        wanted |= tests | needed(given.there, given.python, tuple(tests))
    try:
        _gather(given.folder, given.python, wanted)
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"wheels: not all could be gathered: {error if isinstance(error, OSError) else 'pip says why'}")
    megabytes = sum(path.stat().st_size for path in given.folder.glob("*.whl")) / 1e6
    print(f"{len(wanted)} wheels, {megabytes:.0f} MB. On that machine, in a clone:")
    print(f"  python3 -m pip install --no-index --no-deps --target site {given.folder}/*.whl")
    print('  export PYTHONPATH="$PWD/site:$PWD"')
    print("  python3 -m tcdflow experiment=quickstart")


def _gather(folder: Path, python: str, wanted: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    pinned = [f"{name}=={found}" for name, found in wanted.items() if name not in SOURCES_ALONE]
    kinds = [f"--python-version={python}", "--implementation=cp", f"--abi=cp{python.replace('.', '')}"]
    kinds += ["--abi=abi3", "--abi=none", *(f"--platform={platform}" for platform in PLATFORMS)]
    where = ["--quiet", "--no-deps"]
    subprocess.run([*pip, "download", *where, "--only-binary=:all:", f"--dest={folder}", *kinds, *pinned], check=True)
    if built := [f"{name}=={wanted[name]}" for name in SOURCES_ALONE & wanted.keys()]:
        subprocess.run([*pip, "wheel", *where, f"--wheel-dir={folder}", *built], check=True)


if __name__ == "__main__":
    main()
