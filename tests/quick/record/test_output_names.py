"""Names of images from settings (``output.name``): safe, unique, and nothing but data; alone and side by side."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tcdflow.config.compose import Composer
from tcdflow.record import document
from tcdflow.record.document import Output, Record
from tcdflow.record.rundir import RunDirectory
from tcdflow.record.sample import Sample
from tcdflow.spec import output_name
from tcdflow.spec.model import RunSpec
from tcdflow.sweeps import flat
from tcdflow.sweeps.outcome import Outcome
from tcdflow.sweeps.plan import Cell
from tests.helpers import left_behind, problems

SPEC = Composer().compose([]).spec


def spec(name: str | None, prompt: str = "a fox", **output: Any) -> RunSpec:
    changed = SPEC.output.model_copy(update={"name": name, **output})
    return SPEC.model_copy(update={"prompt": prompt, "output": changed})


def written(directory: Path, run: RunSpec, *colours: int) -> list[str]:
    samples = [Sample((Image.new("RGB", (8, 8), (c, c, c)),), seed) for seed, c in enumerate(colours)]
    with RunDirectory.open(directory, run) as made:
        made.save(samples)
    return [output.file for output in document.read(directory).outputs]


class TestStems:
    @pytest.mark.parametrize(
        ("template", "stem"),
        [
            (None, "003"),
            ("{prompt}-{sampling.seed}", "a-fox-7"),
            ("{number}_{sampling.eta}", "003_0.3"),
            ("{base.family}_w={loras.tcd.weight}", "emoji_w=1"),
            ("{sampling.width}", "003"),
            ("run", "_run"),
            ("Control_x", "_Control_x"),
            ("..", "003"),
            ("-x", "_-x"),
            ("$(rm -rf ~)", "rm-rf"),
        ],
    )
    def test_of_a_template(self, template: str | None, stem: str) -> None:
        assert output_name.stem(spec(template), 3, 7) == stem

    @pytest.mark.parametrize("prompt", ["赤いハート", "ein grünes Herz", "दिल"])
    def test_letters_of_every_script(self, prompt: str) -> None:
        assert output_name.stem(spec("{prompt}", prompt), 0, 0) == prompt.replace(" ", "-")

    @given(st.text(max_size=400), st.text(max_size=50))
    def test_any_text_is_a_name(self, prompt: str, template: str) -> None:
        name = output_name.stem(spec(template.replace("{", "") + "{prompt}", prompt), 0, 0) + ".png"
        Output(file=name, sha256="", pixel_sha256="", width=1, height=1, seed=0)
        assert len(name.encode()) < 250
        assert not {"/", "\0", "\\"} & set(name)

    @pytest.mark.parametrize(
        "template", ["{prompt.__class__}", "{0}", "{}", "{loras}", "{sampling.seed!r}", "{prompt:>9}"]
    )
    def test_a_template_is_data(self, template: str, composer: Composer) -> None:
        (problem,) = problems(composer, f"output.name={template}")
        assert problem.key == "output.name"

    def test_what_is_given_with_braces_stays(self) -> None:
        assert output_name.stem(spec("{prompt}", "{base.source}"), 0, 0) == "base.source"


class TestFiles:
    def test_equal_names_get_a_number(self, tmp_path: Path) -> None:
        assert written(tmp_path, spec("{prompt}"), 10, 20, 30) == ["a-fox.png", "a-fox-2.png", "a-fox-3.png"]

    def test_the_next_run_takes_their_place(self, tmp_path: Path) -> None:
        written(tmp_path, spec("{prompt}", grid=False), 10, 20)
        assert written(tmp_path, spec("{prompt}", grid=False), 30) == ["a-fox.png"]
        assert left_behind(tmp_path) == ["a-fox.png", "run.json"]

    def test_nobody_elses_file_is_touched(self, tmp_path: Path) -> None:
        (tmp_path / "a-fox.png").write_bytes(b"mine")
        (tmp_path / "a-fox-2.json").write_bytes(b"mine")
        assert written(tmp_path, spec("{prompt}"), 10) == ["a-fox-3.png"]
        assert (tmp_path / "a-fox.png").read_bytes() == b"mine"

    @pytest.mark.parametrize("kept", [["a-fox.png"], ["a-fox.png", "a-fox-2.png"]])
    def test_what_a_killed_process_left_takes_its_name_again(self, kept: list[str], tmp_path: Path) -> None:
        run = spec("{prompt}", grid=False)
        names = written(tmp_path, run, 10, 20)
        content = {name: (tmp_path / name).read_bytes() for name in names}
        for name in set(names) - set(kept):
            (tmp_path / name).unlink()
        Record(started="", spec={}, status="running").write(tmp_path)  # killed before it lists its images
        assert written(tmp_path, run, 10, 20) == names
        assert {name: (tmp_path / name).read_bytes() for name in names} == content
        assert left_behind(tmp_path) == [*sorted(names), "run.json"]

    def test_so_does_an_animation_with_its_recipe_beside_it(self, tmp_path: Path) -> None:
        frames = tuple(Image.new("RGB", (16, 16), (c, c, c)) for c in (0, 99))
        for _ in range(2):
            with RunDirectory.open(tmp_path, spec("{prompt}", animation="mp4")) as made:
                made.save([Sample(frames, 0, animated=True)])
            assert left_behind(tmp_path) == ["a-fox.json", "a-fox.mp4", "run.json"]
            Record(started="", spec={}, status="running").write(tmp_path)

    def test_equal_images_of_one_run_have_two_names(self, tmp_path: Path) -> None:
        run = spec("{prompt}", grid=False, metadata="none")
        assert written(tmp_path, run, 10, 10) == ["a-fox.png", "a-fox-2.png"]

    def test_a_link_to_equal_bytes_is_somebody_elses(self, tmp_path: Path) -> None:
        written(tmp_path / "one", spec("{prompt}"), 10)
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "a-fox.png").symlink_to(tmp_path / "one" / "a-fox.png")
        assert written(tmp_path / "two", spec("{prompt}"), 10) == ["a-fox-2.png"]

    def test_a_record_removes_only_what_it_knows(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.png").write_bytes(b"mine")
        output = Output(file="thesis.png", sha256="0" * 64, pixel_sha256="", width=1, height=1, seed=0)
        Record(started="", spec={}, outputs=[output], status="done").write(tmp_path)
        written(tmp_path, spec("{prompt}"), 10)
        assert (tmp_path / "thesis.png").read_bytes() == b"mine"


def side_by_side(directory: Path, outcomes: Iterable[Outcome]) -> None:
    folder = flat.Folder(directory)
    for outcome in outcomes:
        folder.take(outcome)
    folder.write()


class TestSideBySide:
    """``sweep.flat``."""

    def outcomes(self, directory: Path, *runs: RunSpec) -> list[Outcome]:
        found = []
        for number, run in enumerate(runs):
            cell = Cell(name=f"{number:03d}_x", template=0, values={}, overrides=(), key="", how="", files=())
            written(directory / "cells" / cell.name, run, 10 * number + 10)
            found.append(Outcome(cell, "done", document.read(directory / "cells" / cell.name)))
        return found

    def test_names_of_their_own_or_of_their_cells(self, tmp_path: Path) -> None:
        side_by_side(tmp_path, self.outcomes(tmp_path, spec("{prompt}"), spec("{prompt}", "a cat"), spec(None)))
        assert left_behind(tmp_path / "images") == ["002_x.png", "a-cat.png", "a-fox.png"]

    def test_equal_names_and_files_of_others(self, tmp_path: Path) -> None:
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "a-fox.png").write_bytes(b"mine")
        outcomes = self.outcomes(tmp_path, spec("{prompt}"), spec("{prompt}"))
        for _ in range(2):
            side_by_side(tmp_path, outcomes)
            assert left_behind(tmp_path / "images") == ["a-fox-2.png", "a-fox-3.png", "a-fox.png"]
        assert (tmp_path / "images" / "a-fox.png").read_bytes() == b"mine"

    def test_copies_and_cells_made_again_keep_their_names(self, tmp_path: Path) -> None:
        outcomes = self.outcomes(tmp_path, spec("{prompt}"), spec("{prompt}"))
        side_by_side(tmp_path, outcomes)
        for path in (tmp_path / "images").iterdir():
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)
        side_by_side(tmp_path, outcomes)
        assert left_behind(tmp_path / "images") == ["a-fox-2.png", "a-fox.png"]

    def test_a_cell_that_comes_later(self, tmp_path: Path) -> None:
        outcomes = self.outcomes(tmp_path, spec("{prompt}"), spec("{prompt}"))
        side_by_side(tmp_path, outcomes[1:])
        side_by_side(tmp_path, outcomes)
        first, second = (tmp_path / "cells" / f"00{n}_x" / "a-fox.png" for n in (0, 1))
        assert (tmp_path / "images" / "a-fox.png").read_bytes() == first.read_bytes()
        assert (tmp_path / "images" / "a-fox-2.png").read_bytes() == second.read_bytes()
