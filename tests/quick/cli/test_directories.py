"""A directory is one run's, one sweep's or one distillation's: what would put another beside it is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.record.document import Record, kind_of
from tests.helpers import left_behind

KINDS = ("run", "planned sweep", "sweep", "distillation")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory, as the command line names it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    return Path("there")


def make(kind: str, directory: Path) -> None:
    if kind == "run":
        Record(started="", spec={}, environment={}).write(directory)
    elif kind == "distillation":
        (directory / "run.json").write_text(json.dumps({"kind": "distillation"}))
    else:
        (directory / ("plan.json" if kind == "planned sweep" else "multirun.yaml")).write_text("{}")


@pytest.mark.parametrize(
    ("words", "key", "kinds"),
    [((), "hydra.run.dir", KINDS[1:]), (("-m", "sampling.eta=0,1"), "hydra.sweep.dir", (KINDS[0], *KINDS[2:]))],
    ids=["run", "sweep"],
)
@pytest.mark.parametrize("verb", [(), ("check",)], ids=["made", "checked"])
def test_nothing_is_made_beside_another(
    words: tuple[str, ...],
    key: str,
    kinds: tuple[str, ...],
    verb: tuple[str, ...],
    there: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for kind in kinds:
        make(kind, there)
        before = left_behind(there)
        assert dispatch([*verb, *words, f"{key}={there}"]) == 2
        said = capfd.readouterr()
        what = rf"tcdflow: {key} = '(/.*/)?there': holds a {kind.split()[-1]}, and a .*; choose another directory\n"
        assert re.fullmatch(what, said.err) and said.out == ""
        assert left_behind(there) == before
        for path in there.iterdir():
            path.unlink()


def test_a_run_may_follow_one_of_its_own_directory(there: Path) -> None:
    make("run", there)
    assert kind_of(there) == "run" and dispatch(["check", f"hydra.run.dir={there}"]) == 0


@pytest.mark.parametrize("verb", [(), ("check",)], ids=["made", "checked"])
@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("hydra.run.dir=", "hydra.run.dir: must not be empty; '.' is the working directory"),
        ("hydra.run.dir=${nope}", "hydra.run.dir: Interpolation key 'nope' not found"),
        ("hydra.verbose=nan", "hydra.verbose = nan: must be true, false, or the names of loggers"),
        ("hydra.verbose={a: b}", "hydra.verbose = {'a': 'b'}: must be true, false, or the names of loggers"),
        ("hydra.verbose=['${nope}']", "hydra.verbose: Interpolation key 'nope' not found"),
        (
            "hydra.run.dir=there",
            "hydra.run.dir = 'there': holds 000.png, which no run has made and this one may replace",
        ),
    ],
)
def test_where_a_run_cannot_go(
    said: str, what: str, verb: tuple[str, ...], there: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (there / "000.png").touch()
    assert dispatch([*verb, said]) == 2
    found = capfd.readouterr()
    assert re.sub("'/.*/there'", "'there'", found.err).startswith(f"tcdflow: {what}") and found.out == ""
    assert left_behind(there) == ["000.png"] and left_behind(there.parent) == ["there", "there/000.png"]
