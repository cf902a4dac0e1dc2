"""A full disk, a quota, a disk that cannot be written: said in one line, recorded, and nothing half written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcdflow.record import document
from tests.faults.conftest import Mount, partial, records, remount
from tests.sweep.fake import pictures
from tests.zygote.client import Zygote

RUN = ("sampling.steps=1", "sampling.seed=[1,2]")
AXES = ("-m", "sampling.steps=1", "sampling.seed=1,2,3")
FULL = "cannot be written: No space left on device"


@pytest.mark.parametrize("kilobytes", [4, 72, 80, 96, 120])
def test_a_run_on_a_full_disk(kilobytes: int, zygote: Zygote, at: Path, mount: Mount) -> None:
    """The last byte goes with the record itself, a file of ``.hydra``, the first image, the second, their sheet."""
    with mount(f"size={kilobytes}k") as disk:
        said = zygote.run(*RUN, f"hydra.run.dir={disk}/run", cwd=at, drawn=True)
        (record,) = records(disk)
        assert (said.status, said.out) == (1, "")
        assert said.line().startswith(f"tcdflow: {disk}/run/") and FULL in said.line()
        assert record.status == "failed" and record.error is not None
        assert said.line() == f"tcdflow: {record.error.message}"
        assert [output.file for output in record.outputs] == [p.name for p in sorted(disk.rglob("00?.png"))]
        assert partial(disk) == []
        remount(disk, "size=1m")
        assert zygote.run(*RUN, f"hydra.run.dir={disk}/run", cwd=at, drawn=True).status == 0
        assert [record.status for record in records(disk)] == ["done"]


def test_the_real_model_on_a_full_disk(zygote: Zygote, at: Path, mount: Mount) -> None:
    with mount("size=84k") as disk:
        said = zygote.run("sampling.num_images=3", f"hydra.run.dir={disk}/run", cwd=at)
        (record,) = records(disk)
        assert said.status == 1 and FULL in said.line()
        assert record.status == "failed" and record.key and record.lock


def test_a_finished_run_survives_one_that_has_no_room(zygote: Zygote, at: Path, mount: Mount) -> None:
    with mount("size=200k") as disk:
        where = f"hydra.run.dir={disk}/run"
        assert zygote.run(*RUN, where, cwd=at, drawn=True).status == 0
        before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
        (disk / "filled").write_bytes(bytes(os.statvfs(disk).f_bavail * 4096))
        said = zygote.run(*RUN, "prompt=a blue heart", where, cwd=at, drawn=True)
        warned, failed = said.err.splitlines()
        assert said.status == 1 and "removes as it begins" in warned and FULL in failed
        assert {path: path.read_bytes() for path in before} == before


def test_without_room_for_another_name(zygote: Zygote, at: Path, mount: Mount) -> None:
    with mount("nr_inodes=6") as disk:
        said = zygote.run(*RUN, f"hydra.run.dir={disk}/run", cwd=at, drawn=True)
        assert said.status == 1 and FULL in said.line()
        assert [record.status for record in records(disk)] == ["failed"]


@pytest.mark.parametrize("kilobytes", [4, 8, 64, 96, 132])
def test_a_sweep_on_a_full_disk(kilobytes: int, zygote: Zygote, at: Path, mount: Mount) -> None:
    """It ends, since no other cell would fare better, and goes on when there is room again."""
    with mount(f"size={kilobytes}k") as disk:
        sweep = f"hydra.sweep.dir={disk}/s"
        said = zygote.run(*AXES, sweep, cwd=at, drawn=True)
        done = [record.status for record in records(disk)].count("done")
        assert said.status == 1 and "Traceback" not in said.err
        *first, last = said.err.splitlines()
        assert last.startswith(f"tcdflow: {disk}/s/") and last.endswith(FULL)
        if (disk / "s/plan.json").exists():
            assert first == [f"stopped with {done} of 3 cells done; go on with: tcdflow resume {disk}/s"]
        assert said.out.count("000.png") == done < 3
        assert partial(disk) == []
        remount(disk, "size=1m")
        again = ("resume", f"{disk}/s") if first else (*AXES, sweep)
        assert zygote.run(*again, cwd=at, drawn=True).status == 0
        assert [record.status for record in records(disk)] == ["done"] * 3
        assert len((disk / "s/results.csv").read_text().splitlines()) == 4


def test_a_sweep_whose_results_have_no_room(zygote: Zygote, at: Path) -> None:
    """They are larger than any other file may be; what was made stays made."""
    axes = ("-m", "sampling.steps=1", f"prompt={'red ' * 900}", "sampling.seed=range(3)", "hydra.sweep.dir=s")
    sizes = ("output.metadata=none", "output.format=jpeg")
    said = zygote.run(*axes, *sizes, cwd=at, drawn=True)
    assert said.status == 0
    (at / "s/results.jsonl").unlink()
    (at / "s/results.jsonl").mkdir()
    again = zygote.run("resume", "s", cwd=at, drawn=True)
    assert again.status == 1 and again.line() == "tcdflow: s/results.jsonl: cannot be written: Is a directory"
    assert [record.status for record in records(at)] == ["done"] * 3


@pytest.mark.parametrize("size", [1000, 2000, 8000, 20_000])
def test_files_that_may_not_be_large(size: int, zygote: Zygote, at: Path) -> None:
    """As a quota does, the limit hits the record, ``.hydra``, an image, or their sheet alone."""
    said = zygote.run(*RUN, "hydra.run.dir=run", cwd=at, drawn=True, fsize=size)
    assert said.status == 1 and said.line().endswith("cannot be written: File too large")
    assert [record.status for record in records(at)] == ["failed"] * (size > 7000)
    assert partial(at) == []
    assert zygote.run(*RUN, "hydra.run.dir=run", cwd=at, drawn=True).status == 0
    records(at)


def test_a_cell_that_is_too_large_does_not_stop_the_others(zygote: Zygote, at: Path) -> None:
    axes = ("-m", "sampling.steps=1", "sampling.num_images=1,2", "hydra.sweep.dir=s")
    said = zygote.run(*axes, cwd=at, drawn=True, fsize=20_000)
    assert said.status == 1 and "1 done, 1 failed" in said.err and "File too large" in said.err
    assert zygote.run("resume", "--retry-failed", "s", cwd=at, drawn=True).status == 0


class TestReadOnly:
    """Nothing can be written at all."""

    def test_everywhere(self, zygote: Zygote, at: Path, mount: Mount) -> None:
        with mount("size=1m") as disk:
            assert zygote.run(*AXES, f"hydra.sweep.dir={disk}/s", cwd=at, drawn=True).status == 0
            (next(disk.rglob("000.png"))).unlink()
            remount(disk, "ro")
            why = ": Read-only file system"
            for argv in (
                (*RUN, f"hydra.run.dir={disk}/run"),
                (*AXES, f"hydra.sweep.dir={disk}/other"),
                ("resume", f"{disk}/s"),
                ("rerun", f"{disk}/s/cells/002_seed=3", f"hydra.run.dir={disk}/again"),
            ):
                said = zygote.run(*argv, cwd=at, drawn=True)
                assert said.status == 1 and said.line().endswith(why), argv
            for argv in (RUN, AXES):
                said = zygote.run(*argv, cwd=disk, drawn=True)
                assert said.status == 1 and said.line().startswith("tcdflow: outputs/") and said.line().endswith(why)

    def test_what_is_remembered_is_not_missed(self, zygote: Zygote, at: Path, mount: Mount) -> None:
        with mount("size=1m,ro") as disk:
            env = {"TCDFLOW_CACHE": str(disk / "cache")}
            for argv in (RUN, AXES, ("check", *RUN)):
                assert zygote.run(*argv, cwd=at, drawn=True, env=env).status == 0

    def test_nor_where_the_cache_is_full(self, zygote: Zygote, at: Path, mount: Mount) -> None:
        with mount("size=4k") as disk:
            env = {"TCDFLOW_CACHE": str(disk)}
            assert zygote.run(*AXES, cwd=at, drawn=True, env=env).status == 0
            assert partial(disk) == []


class TestRerun:
    """A run made again, or compared, on a full disk."""

    def test_made_again(self, zygote: Zygote, at: Path, mount: Mount) -> None:
        assert zygote.run(*RUN, "hydra.run.dir=run", cwd=at, drawn=True).status == 0
        with mount("size=96k") as disk:
            argv = ("rerun", "run", f"hydra.run.dir={disk}/again")
            said = zygote.run(*argv, cwd=at, drawn=True)
            assert said.status == 1 and FULL in said.line()
            (record,) = records(disk)
            assert record.status == "failed" and record.derived_from == document.read(at / "run").key
            remount(disk, "size=1m")
            assert zygote.run(*argv, cwd=at, drawn=True).status == 0
            assert list(pictures(disk / "again").values()) == list(pictures(at / "run").values())

    def test_compared(self, zygote: Zygote, at: Path, mount: Mount) -> None:
        assert zygote.run(*AXES, "hydra.sweep.dir=s", cwd=at, drawn=True).status == 0
        with mount("size=68k") as disk:
            for path in ("s", "s/cells/000_seed=1"):
                argv = ("rerun", "--verify", path)
                said = zygote.run(*argv, cwd=at, drawn=True, env={"TMPDIR": str(disk)})
                assert said.status == 1 and FULL in said.line() and said.out == ""
                assert list(disk.iterdir()) == [], "nothing is left behind"
