"""Configs are data: what an untrusted YAML cannot do, and what of Hydra's the command line leaves alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.utils import run_job
from hydra.types import HydraContext
from omegaconf import OmegaConf

from tcdflow.cli.command import dispatch
from tcdflow.config.axes import axes
from tcdflow.config.compose import Composer
from tcdflow.config.places import conf_dir
from tcdflow.errors import ConfigError
from tests.helpers import GLOBAL, Write
from tests.untrusted.configs import EVIL, SECRET, Refused

pytestmark = pytest.mark.usefixtures("witnesses")


def call(marker: Path) -> str:
    """A mapping that Hydra would instantiate, and that leaves a file behind."""
    return f"{{_target_: builtins.open, file: {marker}, mode: w}}"


def logger(marker: Path) -> str:
    """A handler that logging.config would build by calling what it is told."""
    return f'{{h: {{"()": builtins.open, file: {marker}, mode: w}}}}'


def test_the_witness_would_be_seen(marker: Path) -> None:
    """The attack works on Hydra's own machinery: a job whose config holds these parts sets and calls them."""
    seen: list[str | None] = []
    config = Composer().compose([f"hydra.run.dir={marker}.run"]).config
    context = HydraContext(config_loader=None, callbacks=Callbacks())  # type: ignore[arg-type]

    def job() -> None:
        run_job(lambda _: seen.append(os.environ.get("TCDFLOW_TEST_SET")), config, "hydra.run.dir", None, context)

    OmegaConf.update(config, "hydra.job.env_set", {"TCDFLOW_TEST_SET": "set"}, force_add=True)
    job()
    assert seen == ["set"]
    OmegaConf.set_readonly(config.hydra, False)
    config.hydra.job_logging.handlers = {"file": {"()": "builtins.open", "file": str(marker), "mode": "w"}}
    with contextlib.suppress(Exception):  # what it made is no handler
        job()
    assert marker.exists()


def test_a_refusal_is_a_message_and_exit_status_2(configs: Write, capfd: pytest.CaptureFixture[str]) -> None:
    evil = configs(
        {EVIL: GLOBAL + "hydra: {job: {env_set: {TCDFLOW_TEST_SET: x}}}\nprompt: ${oc.env:TCDFLOW_TEST_SECRET}\n"}
    )
    assert dispatch(["--config-dir", str(evil), "experiment=evil"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(
        "tcdflow: 2 things are wrong:\n  hydra.job.env_set.TCDFLOW_TEST_SET = 'x': a config file may not"
    )
    assert SECRET not in err


class TestHydra:
    """No file of a user's reaches Hydra's own node, whatever way it takes."""

    @pytest.mark.parametrize(
        ("place", "key"),
        [
            ("hydra: {callbacks: {x: CALL}}", "hydra.callbacks.x._target_"),
            ("hydra: {job: {env_set: {TCDFLOW_TEST_SET: x}}}", "hydra.job.env_set.TCDFLOW_TEST_SET"),
            ("hydra: {job: {env_copy: [HOME]}}", "hydra.job.env_copy"),
            ("hydra: {job_logging: {handlers: LOGGER}}", "hydra.job_logging.handlers.h.()"),
            ("hydra: {run: {dir: /somewhere}}", "hydra.run.dir"),
            ("hydra: {output_subdir: null}", "hydra.output_subdir"),
            ("hydra: {}", "hydra"),
            ("hydra: null", "hydra"),
            ("hydra.job.env_set: {TCDFLOW_TEST_SET: x}", "hydra.job.env_set.TCDFLOW_TEST_SET"),
        ],
    )
    def test_by_its_name(self, place: str, key: str, refused: Refused, marker: Path) -> None:
        text = place.replace("CALL", call(marker)).replace("LOGGER", logger(marker))
        found = refused({EVIL: GLOBAL + text})
        assert key in [problem.key for problem in found]
        assert {problem.origin for problem in found} == {EVIL}

    @pytest.mark.parametrize("package", ["hydra", "_global_.hydra"])
    @pytest.mark.parametrize(
        ("below", "text"),
        [
            ("job.env_set", "TCDFLOW_TEST_SET: x"),
            ("job_logging.handlers", "LOGGER"),
            ("callbacks", "x: CALL"),
        ],
    )
    def test_by_a_header(self, package: str, below: str, text: str, refused: Refused, marker: Path) -> None:
        text = text.replace("CALL", call(marker)).replace("LOGGER", logger(marker))
        found = refused({EVIL: f"# @package {package}.{below}\n{text}\n"})
        assert all(problem.key.startswith(f"hydra.{below}") for problem in found)

    @pytest.mark.parametrize("package", ["hydra", "_global_.hydra"])
    @pytest.mark.parametrize("chosen", ["/loras@{}: evil2", "/loras/evil2@{}"])
    def test_by_a_place_in_a_list_of_defaults(self, package: str, chosen: str, refused: Refused, marker: Path) -> None:
        element = chosen.format(f"{package}.job_logging.handlers")
        found = refused(
            {EVIL: f"{GLOBAL}defaults:\n  - {element}\n", "loras/evil2.yaml": logger(marker) + "\n"},
        )
        assert "hydra.job_logging.handlers.h.()" in [problem.key for problem in found]

    def test_by_placing_a_file_of_ours(self, refused: Refused) -> None:
        found = refused({EVIL: f"{GLOBAL}defaults:\n  - /base@hydra.job.env_set: emoji\n"})
        assert all(problem.key.startswith("hydra.job.env_set.") for problem in found)

    @pytest.mark.parametrize(
        "element", ["override /hydra/job_logging: evil", "/hydra/job_logging/evil", "/hydra/callbacks: evil"]
    )
    def test_by_choosing_a_part(self, element: str, refused: Refused, marker: Path) -> None:
        files: dict[str, str | bytes] = {
            EVIL: f"{GLOBAL}defaults:\n  - {element}\n",
            "hydra/job_logging/evil.yaml": f"handlers: {logger(marker)}\n",
            "hydra/callbacks/evil.yaml": f"x: {call(marker)}\n",
        }
        (problem,) = refused(files)
        assert (problem.key, problem.what) == ("defaults", "a config file may not choose parts of Hydra")

    @pytest.mark.parametrize("element", ['"\\uD800"', 'override /base: "\\uD800"', 'override /loras: ["\\uDFFF"]'])
    def test_by_half_a_character(self, element: str, refused: Refused) -> None:
        (problem,) = refused({EVIL: f"{GLOBAL}defaults:\n  - {element}\n"})
        assert (problem.key, problem.what) == ("defaults", "holds half of a character (a lone surrogate)")

    @pytest.mark.parametrize(
        "key", ["hydra.sweep.dir", "hydra.searchpath", "hydra/launcher", "hydra.verbose", "+hydra.run.dir"]
    )
    @pytest.mark.parametrize("value", ["/tmp/evil", "basic", "[a, b]", "'range(3)'"])
    def test_by_an_axis_of_a_sweep(self, key: str, value: str, configs: Write) -> None:
        evil = configs({EVIL: f"{GLOBAL}sweep: {{axes: {{{key}: {value}}}}}\n"})
        with pytest.raises(ConfigError) as caught:
            axes(Composer(evil), ["experiment=evil"])
        assert {problem.key for problem in caught.value.problems} == {key.lstrip("+")}

    @pytest.mark.parametrize("absolute", [True, False])
    def test_by_a_path_that_leaves_its_directory(
        self, absolute: bool, refused: Refused, tmp_path: Path, marker: Path
    ) -> None:
        outside = tmp_path / "outside.yaml"
        outside.write_text(f"{GLOBAL}hydra: {{callbacks: {{x: {call(marker)}}}}}\n")
        start = conf_dir() / "experiment"
        path = str(outside.with_suffix("")) if absolute else os.path.relpath(outside.with_suffix(""), start)
        (problem,) = refused({EVIL: f"{GLOBAL}defaults:\n  - {'/' if absolute else ''}{path}\n"})
        assert (problem.key, problem.what) == ("defaults", "a config is named by its group and name alone")


class TestPython:
    """Nothing in a config names Python to run."""

    @pytest.mark.parametrize("word", ["_target_", "_args_", "_partial_", "_recursive_", "_convert_"])
    @pytest.mark.parametrize("place", ["WORD: x", "base: {WORD: x}", "sampling: {seed: [{WORD: x}]}"])
    def test_by_hydras_words(self, word: str, place: str, refused: Refused) -> None:
        found = refused({EVIL: GLOBAL + place.replace("WORD", word)})
        assert all(word in problem.key and "configs are data" in problem.what for problem in found)

    @pytest.mark.parametrize(
        "value",
        [
            "!!python/object/apply:builtins.open [MARKER, w]",
            "!!python/name:os.system x",
            "!!python/object:pathlib.Path {}",
            "!!binary aGk=",
            "!!str 5",
            "!mine x",
            "!<tag:yaml.org,2002:python/name:os.system> x",
        ],
    )
    def test_by_a_tag(self, value: str, refused: Refused, marker: Path) -> None:
        (problem,) = refused({EVIL: f"{GLOBAL}prompt: {value.replace('MARKER', str(marker))}\n"})
        assert problem.key == EVIL
        assert "tags are not allowed" in problem.what


class TestCommandLine:
    """What is refused from the person at the keyboard too."""

    @pytest.mark.parametrize("verb", [[], ["-m"], ["check"], ["--cfg", "job"], ["--cfg", "all"]])
    @pytest.mark.parametrize(
        ("override", "key"),
        [
            ("+hydra.callbacks.x._target_=builtins.open", "hydra.callbacks.x._target_"),
            ("hydra.job.env_set.TCDFLOW_TEST_SET=x", "hydra.job.env_set.TCDFLOW_TEST_SET"),
            ("hydra.job.env_copy=[HOME]", "hydra.job.env_copy"),
            ("hydra={job: {env_set: {TCDFLOW_TEST_SET: x}}}", "hydra"),
            ("++hydra={callbacks: {}}", "hydra"),
            ("hydra/job_logging=disabled", "hydra/job_logging"),
            ("hydra.job_logging.root.level=DEBUG", "hydra.job_logging.root.level"),
            ("hydra.output_subdir=null", "hydra.output_subdir"),
            ("+base@hydra.job.env_set=emoji", "hydra.job.env_set.source"),
            ("+hydra/launcher@hydra.job.env_set=basic", "hydra/launcher"),
            ("loras.x._target_=os.system", "loras.x._target_"),
            ("loras.x={_target_: os.system}", "loras.x._target_"),
            ("prompt=${oc.env:TCDFLOW_TEST_SECRET}", "prompt"),
            ("negative_prompt='${oc.${base.family}:TCDFLOW_TEST_SECRET}'", "negative_prompt"),
            ("sampling.seed=[1,${oc.env:TCDFLOW_TEST_SECRET}]", "sampling.seed.1"),
            ("loras.x={source: '${oc.env:TCDFLOW_TEST_SECRET}'}", "loras.x.source"),
            ("base=${oc.env:TCDFLOW_TEST_SECRET}", "base"),
        ],
    )
    def test_overrides(
        self,
        verb: list[str],
        override: str,
        key: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert dispatch([*verb, override]) == 2
        out, err = capfd.readouterr()
        assert f"{key}" in err
        assert SECRET not in out + err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("flag", ["--experimental-rerun", "--config-path", "--config-name"])
    @pytest.mark.parametrize("verb", [[], ["check"], ["ls"], ["-m"]])
    def test_flags(self, verb: list[str], flag: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        pickle = tmp_path / "config.pickle"
        pickle.write_bytes(b"cbuiltins\nopen\n(S'" + os.fsencode(tmp_path / "marker") + b"'\nS'w'\ntR.")
        assert dispatch([*verb, flag, str(pickle)]) == 2
        assert f"tcdflow: {flag} = " in capfd.readouterr().err
        assert not (tmp_path / "marker").exists()

    @pytest.mark.parametrize("what", ["config", "all", "plugins", "defaults", "searchpath"])
    def test_asking_for_information_runs_nothing(
        self, what: str, marker: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        said = [f"+hydra.callbacks.x.{key}" for key in ("_target_=builtins.open", f"file={marker}", "mode=w")]
        dispatch(["--info", what, *said])
        assert not marker.exists()
