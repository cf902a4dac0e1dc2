"""Gather the wheels that tcdflow needs on a machine without a network, in the versions of this environment.

They are for x86-64 Linux. What is said to be there is left out, and what only that needs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Collection
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (5, 12, 17, 24, 26, 27, 28, 31, 34)]
SOURCES_ALONE = {"antlr4-python3-runtime"}
"""What is published without a wheel; Hydra reads its grammar with it. It is pure Python."""


def needed(there: Collection[str]) -> dict[str, str]:
    """Return the version of each distribution that tcdflow needs, by its name.

    Args:
        there: names of those to leave out, and all that nothing else needs.
    """
    found: dict[str, str] = {}
    left = {canonicalize_name(name) for name in there}
    names = ["tcdflow"]
    while names:
        for text in requires(names.pop()) or ():
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            asked = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if asked and name not in found and name not in left:
                found[name] = version(name)
                names.append(name)
    return found


def main() -> None:
    """Read the command line, and gather them."""
    parser = argparse.ArgumentParser(prog="python -m scripts.wheels", description=__doc__)
    parser.add_argument("folder", type=Path, help="for the wheels")
    parser.add_argument("--python", default=f"{sys.version_info.major}.{sys.version_info.minor}", help="of the machine")
    parser.add_argument("--there", nargs="*", default=[], metavar="NAME", help="distributions that the machine has")
    given = parser.parse_args()
    wanted = needed(given.there)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    pinned = [f"{name}=={found}" for name, found in wanted.items() if name not in SOURCES_ALONE]
    kinds = [f"--python-version={given.python}", "--implementation=cp", f"--abi=cp{given.python.replace('.', '')}"]
    kinds += ["--abi=abi3", "--abi=none", *(f"--platform={platform}" for platform in PLATFORMS)]
    where = ["--quiet", "--no-deps"]
    subprocess.run(
        [*pip, "download", *where, "--only-binary=:all:", f"--dest={given.folder}", *kinds, *pinned], check=True
    )
    built = [f"{name}=={wanted[name]}" for name in SOURCES_ALONE & wanted.keys()]
    if built:
        subprocess.run([*pip, "wheel", *where, f"--wheel-dir={given.folder}", *built], check=True)
    megabytes = sum(path.stat().st_size for path in given.folder.glob("*.whl")) / 1e6
    print(f"{len(wanted)} wheels, {megabytes:.0f} MB. On that machine, in a clone:")
    print(f"  python3 -m pip install --no-index --no-deps --target site {given.folder}/*.whl")
    print('  PYTHONPATH="site:$PWD" python3 -m tcdflow experiment=quickstart')


if __name__ == "__main__":
    main()
