"""A YAML by its path, personal defaults, and config directories that are not laid out as one: data, and answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tcdflow.cli.command import dispatch
from tcdflow.config import named, personal
from tcdflow.config.compose import Composer
from tcdflow.errors import ConfigError
from tests.helpers import GLOBAL, Write, problems

MINE = "prompt: mine\nsampling: {steps: 2}\n"


def checked(argv: list[str], capfd: pytest.CaptureFixture[str]) -> dict[str, object]:
    """What ``check --json`` says of a run."""
    assert dispatch(["check", "--json", *argv]) == 0
    found = json.loads(capfd.readouterr().out)
    return {**found["spec"]["sampling"], "prompt": found["spec"]["prompt"], "defaults": found["defaults"]}


class TestByItsPath:
    @pytest.mark.parametrize(
        "name", ["mine.yaml", "mine.yml", "my own file v1.2 (a+b).yaml", "写真=1.yaml", "quickstart.yaml"]
    )
    @pytest.mark.parametrize("header", ["", GLOBAL, "\ufeff" + GLOBAL])
    def test_it_is_run(self, name: str, header: str, configs: Write, capfd: pytest.CaptureFixture[str]) -> None:
        file = configs({name: header + MINE}) / name
        found = checked([str(file), "sampling.eta=0.5"], capfd)
        assert (found["prompt"], found["steps"], found["eta"]) == ("mine", 2, 0.5)

    def test_with_the_groups_beside_it(self, configs: Write, capfd: pytest.CaptureFixture[str]) -> None:
        root = configs(
            {
                "mine.yaml": "defaults: [override /sampling: two]\n",
                "experiment/other.yaml": "defaults: [override /sampling: two]\n",
                "sampling/two.yaml": "steps: 2\neta: 0\nguidance_scale: 0\n",
            }
        )
        assert checked([str(root / "mine.yaml")], capfd)["steps"] == 2
        assert checked([str(root / "experiment/other.yaml")], capfd)["steps"] == 2

    def test_one_of_ours(self, capfd: pytest.CaptureFixture[str]) -> None:
        from tcdflow.config.places import conf_dir

        file = conf_dir() / "experiment/quickstart.yaml"
        assert checked([str(file)], capfd)["prompt"] == "a fox on a green background"

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["mien.yaml"], "mien.yaml: there is no such file; did you mean 'mine.yaml'?"),
            (["empty.yaml"], "empty.yaml: is empty"),
            (["mine.yaml", "mine.yaml"], "one YAML at a time"),
            (["mine.yaml", "experiment=quickstart"], "experiment=quickstart: one YAML at a time"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, words: list[str], said: str, configs: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(configs({"mine.yaml": MINE, "empty.yaml": ""}))
        with pytest.raises(ConfigError) as caught:
            named.read(words)
        assert said in str(caught.value)

    @pytest.mark.parametrize(
        "text",
        ["hydra: {run: {dir: /x}}", "prompt: ${oc.env:HOME}", "x: {_target_: os.system}", "prompt: !!python/name:os"],
    )
    def test_it_is_data(self, text: str, configs: Write, capfd: pytest.CaptureFixture[str]) -> None:
        file = configs({"mine.yaml": text + "\n"}) / "mine.yaml"
        assert dispatch(["check", str(file)]) == 2
        assert "mine.yaml" in capfd.readouterr().err

    def test_the_library_takes_it_too(self, configs: Write) -> None:
        import tcdflow

        assert tcdflow.compose(str(configs({"mine.yaml": MINE}) / "mine.yaml"), "sampling.seed=3").prompt == "mine"

    def test_an_option_in_a_folder(self, configs: Write) -> None:
        composer = Composer(configs({"experiment/sub/deep.yaml": GLOBAL + MINE}))
        assert "sub/deep" in composer.options("experiment")
        assert composer.compose(["experiment=sub/deep"]).spec.prompt == "mine"

    def test_a_byte_order_mark_hides_no_header(self, configs: Write) -> None:
        composer = Composer(configs({"experiment/mine.yaml": "\ufeff" + GLOBAL + MINE}))
        assert composer.compose(["experiment=mine"]).spec.prompt == "mine"


class TestConfigDir:
    @pytest.mark.parametrize(
        ("place", "said"),
        [
            ("experiment/mine.yaml", "is a file, not a directory; run a YAML by its path: tcdflow "),
            ("experiment", "is the folder of a group; name the directory that holds it: --config-dir "),
            ("loose", "its YAMLs lie in no folder of a group"),
            ("nowhere", "directory not found"),
        ],
    )
    def test_one_that_is_none_is_answered(self, place: str, said: str, configs: Write) -> None:
        root = configs({"experiment/mine.yaml": GLOBAL + MINE, "loose/mine.yaml": MINE})
        with pytest.raises(ConfigError) as caught:
            Composer(root / place)
        assert said in str(caught.value)

    def test_a_yml_is_not_overlooked_without_a_word(self, configs: Write) -> None:
        composer = Composer(configs({"experiment/mine.yml": MINE}))
        (problem,) = problems(composer, "experiment=mine")
        assert problem.what.startswith("is not read, since names of configs end in .yaml; rename ")

    def test_a_broken_file_hides_no_other(self, configs: Write, capfd: pytest.CaptureFixture[str]) -> None:
        root = configs({"experiment/a.yaml": "prompt: [\n", "experiment/b.yaml": "# What b is.\n" + MINE})
        assert dispatch(["ls", "experiment", "--config-dir", str(root)]) == 0
        out = capfd.readouterr().out
        assert "  a                  (broken) experiment/a.yaml: is not valid YAML" in out
        assert "  b                  What b is." in out
        assert "  quickstart         The embedded model draws a fox" in out


class TestDefaults:
    """Personal defaults."""

    @pytest.fixture
    def own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.delenv(personal.VARIABLE, raising=False)
        file = tmp_path / "tcdflow" / "defaults.yaml"
        file.parent.mkdir()
        file.write_text("defaults: [override /output: jpeg]\nsampling: {eta: 0.7, steps: 3}\nprompt: personal\n")
        return file

    def test_they_stand_before_experiments_and_overrides(self, own: Path, capfd: pytest.CaptureFixture[str]) -> None:
        found = checked(["experiment=quickstart", "sampling.steps=5"], capfd)
        assert (found["prompt"], found["eta"], found["steps"]) == ("a fox on a green background", 0.3, 5)
        found = checked([], capfd)
        assert (found["prompt"], found["eta"], found["steps"]) == ("personal", 0.7, 3)

    def test_check_shows_them(self, own: Path, capfd: pytest.CaptureFixture[str]) -> None:
        defaults = checked([], capfd)["defaults"]
        assert isinstance(defaults, dict)
        assert defaults["file"] == str(own)
        assert defaults["sets"] == {"output": "jpeg", "sampling.eta": 0.7, "sampling.steps": 3, "prompt": "personal"}
        assert dispatch(["check"]) == 0
        assert f"\ndefaults    {own}: output=jpeg, sampling.eta=0.7" in capfd.readouterr().out

    def test_they_can_be_left_out(
        self, own: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert checked(["--no-defaults"], capfd)["prompt"] == "a red heart"
        monkeypatch.setenv(personal.VARIABLE, "off")
        assert checked([], capfd)["prompt"] == "a red heart"
        assert Composer().compose([]).spec.prompt == "a red heart"

    def test_the_environment_may_name_another(
        self, own: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = own.with_name("other.yaml")
        other.write_text("prompt: other\n")
        monkeypatch.setenv(personal.VARIABLE, str(other))
        assert checked([], capfd)["prompt"] == "other"
        monkeypatch.setenv(personal.VARIABLE, str(other) + "x")
        assert dispatch(["check"]) == 2
        assert "there is no such file; 'off' reads none" in capfd.readouterr().err

    @pytest.mark.parametrize("text", ["hydra: {run: {dir: /x}}", "prompt: ${oc.env:HOME}", "sampling: {eta: 2}"])
    def test_they_are_held_to_what_any_config_is(self, text: str, own: Path, capfd: pytest.CaptureFixture[str]) -> None:
        own.write_text(text + "\n")
        assert dispatch(["check"]) == 2
        assert str(own) in capfd.readouterr().err

    def test_a_config_of_their_name_in_a_directory_is_not_read(self, configs: Write) -> None:
        root = configs({"personal_defaults.yaml": "prompt: evil\n", "experiment/mine.yaml": GLOBAL})
        assert Composer(root).compose([]).spec.prompt == "a red heart"
