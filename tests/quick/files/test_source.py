"""What a source text means, rule by rule, and that no text does harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.errors import SourceError
from tcdflow.files.source import Source, parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "location", "revision", "inside"),
    [
        ("owner/name", "owner/name", None, ""),
        ("owner/name@v1.5", "owner/name", "v1.5", ""),
        (f"owner/name@{COMMIT}", "owner/name", COMMIT, ""),
        ("owner/name@refs/pr/7", "owner/name", "refs/pr/7", ""),
        ("owner/name@refs/pr/7/unet", "owner/name", "refs/pr/7", "unet"),
        ("owner/name/w.safetensors", "owner/name", None, "w.safetensors"),
        ("owner/name/models/image_encoder/", "owner/name", None, "models/image_encoder"),
        ("owner/name@main/a b/w.safetensors", "owner/name", "main", "a b/w.safetensors"),
        ("o/n.with-all_kinds", "o/n.with-all_kinds", None, ""),
    ],
)
def test_hub_ids(text: str, location: str, revision: str | None, inside: str) -> None:
    assert parse(text) == Source(text, "hub", location, revision, inside)


@pytest.mark.parametrize(("text", "inside"), [("embedded:emoji", ""), ("embedded:emoji/tcd_lora", "tcd_lora")])
def test_embedded_models(text: str, inside: str) -> None:
    assert parse(text) == Source(text, "embedded", "emoji", inside=inside)


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "~/a b.safetensors", "./a b.safetensors"])
def test_paths(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a b.safetensors"
    file.touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    source = parse(form.format(file))
    assert (source.kind, source.location, source.inside) == ("path", str(file), "")


def test_an_escaped_file_url_is_unescaped(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    assert parse(f"file://{tmp_path}/a%20b").location == str(tmp_path / "a b")


def test_an_existing_relative_path_wins_over_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("owner/name").kind == "hub"
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert parse("owner/name").kind == "path"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must not be empty"),
        (" ", "must not be empty"),
        ("name", "not a hub id of the form owner/name"),
        ("./missing", "there is no such file or folder"),
        ("/missing/folder", "there is no such file or folder"),
        ("~nobody-of-this-name/x", "cannot be opened"),
        ("https://host.example/owner/name", "is an address of host.example"),
        ("owner/name/../../other/secret", "may not leave it"),
        ("owner/name@main/..", "may not leave it"),
        ("owner/name//unet", "plain names"),
        ("owner/name/./unet", "plain names"),
        ("owner/name/unet\\..\\..", "may not leave it"),
        ("embedded:emoji/../../secret", "may not leave it"),
        ("C:\\models\\sd15", "not a hub id"),
        ("owner\\name", "not a hub id"),
        ("owner/..", "not a hub id"),
        ("owner/a--b", "no hub repository has"),
        ("owner/a..b", "no hub repository has"),
        ("owner/name.git", "no hub repository has"),
        ("owner/name-", "no hub repository has"),
        ("owner/name@..", "no branch, tag or commit"),
        ("owner/name@refs/pr/..", "no branch, tag or commit"),
        ("owner/name@--help", "no branch, tag or commit"),
        ("owner/nämé", "not a hub id"),
        ("owner/name\n", "control characters"),
        ("owner/name/\x1b[31mred", "control characters"),
        ("./a\x00b", "control characters"),
        ("./\ud800", "control characters"),
        ("file:relative", "absolute path on this machine"),
        ("file://elsewhere/share/x", "absolute path on this machine"),
        ("file://[", "not a valid file: URL"),
        ("file:///a%00b", "cannot be opened"),
        ("./" + "x" * 4000, "cannot be opened"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(text)
    message = str(caught.value)
    assert why in message
    assert "\n" not in message
    assert len(text) < 12 or text not in message, "whoever knows the key says the source, once"


def test_a_ring_of_links_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(SourceError, match=r"cannot be opened|no such file"):
        parse(str(tmp_path / "a"))


texts = st.one_of(
    st.text(max_size=60),
    st.text("./\\~@:%-_ aé\x00\n", max_size=30),
    st.builds("{}/{}@{}/{}".format, *[st.text("ab.-_/", min_size=1, max_size=6)] * 4),
    st.builds("file:{}".format, st.text("/[]%0a.:@\\", max_size=12)),
    st.builds("embedded:{}".format, st.text("ab./\\", max_size=12)),
)


@given(texts)
def test_parse_raises_nothing_but_source_errors_and_nothing_escapes(text: str) -> None:
    try:
        source = parse(text)
    except SourceError as error:
        assert "\n" not in str(error)
        return
    assert source.text == text
    assert not any(part in ("", ".", "..") for part in source.inside.split("/")) or source.inside == ""
    assert "\\" not in source.inside
    if source.kind == "hub":
        assert source.location.count("/") == 1
        assert ".." not in source.location + (source.revision or "")
        assert source.location.isascii()
    if source.kind == "path":
        assert Path(source.location).is_absolute()
        assert Path(source.location).exists()
