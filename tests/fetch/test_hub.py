"""Repositories of the hub: pinned to a commit, only what is needed fetched, and at work offline from then on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from tcdflow.errors import ConfigError, SourceError
from tcdflow.files.lock import lock
from tcdflow.files.resolve import Artifact, resolve
from tcdflow.files.source import parse
from tests.hub import TOKEN, StandInHub
from tests.quick.files.fakes import model_folder, needed, pipeline, spec, weight_file, weights

NET = {
    "config.json": b"{}",
    "diffusion_pytorch_model.safetensors": weights(),
    "diffusion_pytorch_model.fp16.safetensors": weights(2),
    "diffusion_pytorch_model.bin": b"",
}


def base(source: str, half: bool = False) -> Artifact:
    return resolve(spec(source), half).base


def mark(artifact: Artifact) -> str:
    return str(json.loads((artifact.root / "unet/config.json").read_bytes())["mark"])


def test_only_what_is_needed_is_fetched(hub: StandInHub) -> None:
    repo = hub.add("o/sd", pipeline())
    found = base("o/sd")
    assert set(found.files) == needed()
    assert sorted(hub.downloaded()) == sorted(needed()), "each once, and nothing else"
    assert found.revision == repo.refs["main"]
    for name in found.files:
        assert (found.path / name).read_bytes() == repo.commits[found.revision][name]


def test_the_variant_is_fetched_in_place_of_the_plain_files(hub: StandInHub) -> None:
    hub.add("o/sd", pipeline())
    assert base("o/sd", half=True).variant == "fp16"
    assert set(hub.downloaded()) == needed(".fp16")


def test_the_lock_holds_the_commit_and_the_hashes_of_the_hub(hub: StandInHub) -> None:
    repo = hub.add("o/sd", pipeline())
    by_file = {entry.file: entry for entry in lock(resolve(spec("o/sd")))}
    listing = {entry["path"]: entry for entry in repo.listing(repo.refs["main"], "")}
    for name in needed():
        assert by_file[name].revision == repo.refs["main"]
        assert by_file[name].sha256 == listing[name].get("lfs", {"oid": by_file[name].sha256})["oid"]


@pytest.mark.parametrize("revision", ["main", "v1.0", "refs/pr/7", "commit", "short"])
def test_revisions(revision: str, hub: StandInHub) -> None:
    repo = hub.add("o/sd", pipeline(mark="first"))
    for ref in ("v1.0", "refs/pr/7"):
        repo.commit(pipeline(mark=ref), ref)
    first = repo.refs["main"]
    repo.commit(pipeline(mark="second"))
    asked, wanted = {
        "main": ("main", "second"),
        "commit": (first, "first"),
        "short": (first[:10], "first"),
    }.get(revision, (revision, revision))
    found = base(f"o/sd@{asked}")
    assert mark(found) == wanted
    assert found.revision == repo.find(asked)


def test_a_pinned_commit_is_used_although_the_branch_moves(hub: StandInHub) -> None:
    repo = hub.add("o/sd", pipeline(mark="first"))
    first = base("o/sd").revision
    repo.commit(pipeline(mark="second"))
    assert mark(base(f"o/sd@{first}")) == "first"
    assert mark(base("o/sd")) == "second"
    assert mark(base("o/sd@main")) == "second"


def test_a_branch_that_moves_meanwhile_does_not_mix_two_commits(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tcdflow.files.hub import HubRepo

    repo = hub.add("o/sd", pipeline(mark="first"))
    real = HubRepo.listing

    def move_then_list(self: HubRepo, inside: str = "") -> tuple[str, ...]:
        repo.commit(pipeline(mark="second"))
        return real(self, inside)

    monkeypatch.setattr(HubRepo, "listing", move_then_list)
    assert mark(base("o/sd")) == "first"


def test_a_cached_commit_needs_no_request_at_all(hub: StandInHub) -> None:
    hub.add("o/sd", pipeline())
    commit = base("o/sd").revision
    hub.requests.clear()
    assert set(base(f"o/sd@{commit}").files) == needed()
    assert hub.requests == []


def test_a_cached_branch_needs_one_request(hub: StandInHub) -> None:
    hub.add("o/sd", pipeline())
    base("o/sd")
    hub.requests.clear()
    base("o/sd")
    assert [request.path for request in hub.requests] == ["/api/models/o/sd"]


def test_offline_from_the_cache(hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("o/sd", pipeline())
    before = base("o/sd")
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert base("o/sd") == before
    assert hub.requests == []


def test_out_of_reach_from_the_cache(hub: StandInHub) -> None:
    hub.add("o/sd", pipeline())
    before = base("o/sd")
    hub.stop()
    assert base("o/sd") == before


def test_offline_the_cache_of_another_variant_is_not_taken_instead(
    hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add("o/sd", pipeline())
    base("o/sd", half=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError) as caught:
        base("o/sd")
    assert "not in the local cache, and HF_HUB_OFFLINE is set: unset it to download" in str(caught.value)


def test_offline_without_a_listing_what_is_cached_is_taken(hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that another program filled file by file has no listing of the repository."""
    hub.add("o/sd", pipeline())
    before = base("o/sd")
    for listing in Path(constants.HF_HUB_CACHE).glob("models--o--sd/trees/*"):
        listing.unlink()
    monkeypatch.setattr("huggingface_hub._tree_cache._IN_MEMORY_TREE_CACHE", {})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert base("o/sd") == before


def test_offline_without_a_cache(hub: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("o/sd", pipeline())
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError) as caught:
        resolve(spec("o/sd"))
    assert str(caught.value) == (
        "base.source: 'o/sd': is not in the local cache, and HF_HUB_OFFLINE is set: unset it to download"
    )
    assert hub.requests == []


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("o/loras", "pytorch_lora_weights.safetensors"),
        ("o/loras@v1", "pytorch_lora_weights.safetensors"),
        ("o/loras/style/red.safetensors", "style/red.safetensors"),
        ("o/loras@v1/style", "style/red.safetensors"),
    ],
)
def test_loras(text: str, file: str, hub: StandInHub) -> None:
    files = {"pytorch_lora_weights.safetensors": weights(1), "style/red.safetensors": weights(2), "x.bin": b""}
    hub.add("o/loras", files).commit(files, "v1")
    found = weight_file("loras.x", parse(text))
    assert (found.files, found.single) == ((file,), True)
    assert found.path.read_bytes() == files[file]
    assert hub.downloaded() == [file]


def test_a_missing_lora_names_those_that_are_there(hub: StandInHub) -> None:
    hub.add("o/loras", {"a.safetensors": weights(), "b.safetensors": weights(), "deep/c.safetensors": weights()})
    with pytest.raises(SourceError, match=r"^has no file c\.safetensors; there is a\.safetensors, b\.safetensors$"):
        weight_file("loras.x", parse("o/loras/c.safetensors"))
    with pytest.raises(SourceError, match=r"several weight files; add one of a\.safetensors, b\.safetensors to"):
        weight_file("loras.x", parse("o/loras"))
    with pytest.raises(SourceError, match=r"^has no folder or file nowhere$"):
        weight_file("loras.x", parse("o/loras/nowhere"))


@pytest.mark.parametrize("where", ["", "models/encoder"])
def test_one_model_of_a_repository(where: str, hub: StandInHub) -> None:
    prefix = f"{where}/" if where else ""
    hub.add("o/net", {**{prefix + name: content for name, content in NET.items()}, "other/config.json": b"{}"})
    found = model_folder("adapters.canny", parse(f"o/net/{where}".rstrip("/")), True)
    assert found.files == ("config.json", "diffusion_pytorch_model.fp16.safetensors")
    assert found.path.name == (where.rpartition("/")[2] or found.revision)
    assert sorted(hub.downloaded()) == [prefix + name for name in found.files]


def test_a_pipeline_in_a_folder_of_a_repository(hub: StandInHub) -> None:
    hub.add("o/many", {f"sd/{name}": content for name, content in pipeline().items()})
    found = base("o/many/sd")
    assert set(found.files) == needed()
    assert (found.path / "model_index.json").is_file()


def test_a_repository_of_a_single_file_says_so(hub: StandInHub) -> None:
    hub.add("o/art", {"art.safetensors": weights(), "README.md": b""})
    with pytest.raises(ConfigError, match=r"for a single-file checkpoint add its name to the source: art\.safetensors"):
        base("o/art")


def test_names_with_pattern_characters_are_literal(hub: StandInHub) -> None:
    hub.add("o/odd", {"a[1]*.safetensors": weights(1), "a1b.safetensors": weights(2), "ü #%.safetensors": weights(3)})
    for name in ("a[1]*.safetensors", "ü #%.safetensors"):
        assert weight_file("loras.x", parse(f"o/odd/{name}")).files == (name,)
    assert hub.downloaded() == ["a[1]*.safetensors", "ü #%.safetensors"]


def test_the_token_goes_to_the_hub_and_no_further(hub: StandInHub) -> None:
    Path(constants.HF_TOKEN_PATH).parent.mkdir(parents=True)
    Path(constants.HF_TOKEN_PATH).write_text(TOKEN)
    hub.add("o/secret", pipeline(), private=True, gated=True)
    assert set(base("o/secret").files) == needed()
    for request in hub.requests:
        assert ("authorization" in request.headers) == (not request.path.startswith("/cdn/"))


def test_the_real_environment_in_another_process(hub: StandInHub, tmp_path: Path) -> None:
    """What the other tests patch is what the client reads at import."""
    hub.add("o/loras", {"x.safetensors": weights()})
    code = (
        "from tcdflow.files.finder import Finder\n"
        "from tcdflow.files.resolve import fetch\n"
        "from tcdflow.files.source import parse\n"
        "print(fetch([Finder().weight_file('x', parse('o/loras'))])[0].revision)"
    )

    def ask(**extra: str) -> str:
        environ = {**os.environ, **hub.environ(tmp_path / "home"), **extra}
        run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    assert ask() == hub.repos["o/loras"].refs["main"]
    hub.requests.clear()
    assert ask(HF_HUB_OFFLINE="1") == hub.repos["o/loras"].refs["main"]
    assert hub.requests == []
