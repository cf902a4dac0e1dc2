"""What is shipped: the wheel's contents, the pins, the version."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import tcdflow
from tcdflow._version import __version__
from tests.helpers import python

ROOT = Path(__file__).parents[3]
SHIM = ROOT / "tcdflow" / "_hydra_plugin.py"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]


def pins() -> dict[str, Version]:
    """The versions in constraints.txt by canonical name; a line that is not ``name==version`` is an error."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [re.fullmatch(r"([\w.-]+)==([\w.+]+)", line) for line in lines if not line.startswith("#")]
    assert None not in pairs
    return {canonicalize_name(pair[1]): Version(pair[2]) for pair in pairs if pair}


def requirements() -> list[Requirement]:
    lines = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    return [found for found in map(Requirement, lines) if found.name != PROJECT["name"]]  # extras name each other


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built without an environment of its own, hence with no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def shipped(wheel: zipfile.ZipFile) -> frozenset[str]:
    return frozenset(wheel.namelist())


class TestWheel:
    """A wheel has to work from any directory, with no repository around it."""

    def test_every_config_is_beside_the_code(self, shipped: frozenset[str]) -> None:
        configs = {f"tcdflow/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
        assert len(configs) >= 10
        assert configs <= shipped

    def test_every_schema_that_a_config_names_is_there_too(self, shipped: frozenset[str]) -> None:
        schemas = {f"tcdflow/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "conf/.schema").glob("*.json")}
        assert len(schemas) >= 10
        assert schemas <= shipped

    def test_every_file_of_the_package_is_in_it(self, shipped: frozenset[str]) -> None:
        paths = [path for path in (ROOT / "tcdflow").rglob("*") if path.is_file() and path.suffix != ".pyc"]
        assert {path.relative_to(ROOT).as_posix() for path in paths if path != SHIM} - shipped == set()
        assert "tcdflow/py.typed" in shipped
        assert len([file for file in shipped if file.endswith(".safetensors")]) >= 4

    def test_nothing_else_is(self, shipped: frozenset[str]) -> None:
        tops = {file.split("/")[0] for file in shipped}
        info = f"tcdflow-{__version__}.dist-info"
        # A Hydra launcher has to be defined in hydra_plugins, see the [tool.hatch] tables.
        assert tops == {"tcdflow", "hydra_plugins", info}
        assert [file for file in shipped if file.startswith("hydra_plugins/")] == ["hydra_plugins/tcdflow_launcher.py"]
        assert f"{info}/licenses/LICENSE" in shipped
        assert f"{info}/licenses/NOTICE" in shipped

    def test_hydra_finds_the_launcher(self, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
        wheel.extractall(tmp_path, [name for name in wheel.namelist() if not name.endswith(".safetensors")])
        code = (
            "import sys, tcdflow; from hydra.core.plugins import Plugins; "
            "launcher = Plugins.instance().class_name_to_class['hydra_plugins.tcdflow_launcher.RayLauncher']; "
            "print(tcdflow.__file__, sys.modules[launcher.__module__].__file__); "
            "assert not {'torch', 'ray'} & set(sys.modules)"
        )
        done = python("-c", code, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
        assert done.stdout.split() == [
            str(tmp_path / "tcdflow" / "__init__.py"),
            str(tmp_path / "hydra_plugins" / "tcdflow_launcher.py"),
        ], done.stderr

    def test_its_metadata_name_the_command_and_the_version(self, wheel: zipfile.ZipFile) -> None:
        info = f"tcdflow-{__version__}.dist-info"
        assert "tcdflow = tcdflow.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
        assert f"\nVersion: {__version__}\n" in wheel.read(f"{info}/METADATA").decode()

    def test_an_editable_install_copies_no_config(self, tmp_path: Path) -> None:
        code = "import sys; from hatchling.build import build_editable; print(build_editable(sys.argv[1]))"
        command = [sys.executable, "-c", code, str(tmp_path)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        (path,) = tmp_path.glob("*.whl")
        with zipfile.ZipFile(path) as editable:
            assert not [name for name in editable.namelist() if name.endswith(".yaml")]
            assert editable.read("hydra_plugins/tcdflow_launcher.py") == SHIM.read_bytes()
            assert editable.read("_tcdflow.pth").decode() == str(ROOT)


class TestConstraints:
    """constraints.txt pins what pyproject.toml asks for."""

    @pytest.mark.parametrize("requirement", requirements(), ids=str)
    def test_each_requirement_has_a_pin_in_its_range(self, requirement: Requirement) -> None:
        assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])

    @pytest.mark.parametrize("requirement", [Requirement(line) for line in PROJECT["dependencies"]], ids=str)
    def test_each_range_ends_somewhere(self, requirement: Requirement) -> None:
        assert {specifier.operator for specifier in requirement.specifier} == {">=", "<"}

    def test_the_pins_hold_for_any_machine(self) -> None:
        assert all(version.local is None for version in pins().values())

    def test_what_we_do_without_stays_out(self) -> None:
        assert not {"tcdflow", "torchvision", "pip", "setuptools"} & set(pins())


def test_the_version_is_written_once() -> None:
    assert PROJECT["dynamic"] == ["version"]
    path = ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{tcdflow.__version__}"' in path.read_text(encoding="utf-8")


def test_the_changelog_knows_what_is_unreleased() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
