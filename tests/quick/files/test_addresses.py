"""Addresses that people copy from a browser: those of the hub are hub ids, all others are said to be downloads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.errors import SourceError
from tcdflow.files.source import Source, at_commit, folder_in, parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = "https://huggingface.co"
FILE = "Hyper-SD15-4steps-lora.safetensors"


@pytest.mark.parametrize(
    ("text", "revision", "inside"),
    [
        (f"{HUB}/owner/name", None, ""),
        (f"{HUB}/owner/name/", None, ""),
        (f"{HUB}/owner/name/tree/main", None, ""),
        (f"{HUB}/owner/name/tree/v1.5/unet", "v1.5", "unet"),
        (f"{HUB}/owner/name/blob/main/{FILE}", None, FILE),
        (f"{HUB}/owner/name/resolve/main/{FILE}?download=true", None, FILE),
        (f"{HUB}/owner/name/resolve/{COMMIT}/a/b%20c.safetensors", COMMIT, "a/b c.safetensors"),
        (f"{HUB}/owner/name/blob/refs%2Fpr%2F7/w.safetensors", "refs/pr/7", "w.safetensors"),
        (f"{HUB}/owner/name/tree/refs/pr/7", "refs/pr/7", ""),
        (f"{HUB}/owner/name/commit/{COMMIT}", COMMIT, ""),
        (f"{HUB}/owner/name/raw/main/config.json#L3", None, "config.json"),
        ("http://www.huggingface.co/owner/name", None, ""),
        ("huggingface.co/owner/name/blob/main/w.safetensors", None, "w.safetensors"),
        ("hf.co/owner/name", None, ""),
        ("https://hf-mirror.com/owner/name/resolve/main/w.safetensors", None, "w.safetensors"),
        ("hf://owner/name@v1.5/unet", "v1.5", "unet"),
        ("hf://models/owner/name", None, ""),
    ],
)
def test_pages_and_files_of_the_hub(text: str, revision: str | None, inside: str) -> None:
    assert parse(text) == Source(text, "hub", "owner/name", revision, inside)
    pinned = at_commit(text, COMMIT)
    assert pinned == f"owner/name@{COMMIT}" + (f"/{inside}" if inside else "")


def test_the_hub_that_the_client_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://models.example.org")
    assert parse("https://models.example.org/owner/name/tree/main/vae").inside == "vae"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("https://civitai.com/models/4201?modelVersionId=130072", "is an address of civitai.com; "),
        ("civitai.com/models/4201", "is an address of civitai.com; "),
        ("https://civitai.com/api/download/models/130072?type=Model", "is an address of civitai.com; "),
        ("https://github.com/owner/name/releases/download/v1/x.safetensors", "is an address of github.com; "),
        ("s3://bucket/x.safetensors", "is an address of bucket; "),
        ("urn:air:sdxl:lora:civitai:1234@5678", "names a model of a model site; "),
        ("civitai:1234@5678", "names a model of a model site; "),
    ],
)
def test_other_sites_are_downloads(text: str, why: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(text)
    download = "tcdflow fetches weights from the Hugging Face hub alone; download the file first and give its path"
    assert str(caught.value) == why + download


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{HUB}/datasets/owner/name", "is not the page of a model"),
        (f"{HUB}/spaces/owner/name", "is not the page of a model"),
        (f"{HUB}/gpt2", "is not the page of a model"),
        (f"{HUB}/owner/name/discussions/7", "shows no files of the model; its id is owner/name"),
        (f"https://me:secret@huggingface.co/owner/name/blob/main/{FILE}", "carries a password or token"),
        (f"{HUB}/owner/name/resolve/main/{FILE}?token=hf_abc", "carries a password or token"),
        (f"{HUB}/owner/name/resolve/main/../../{FILE}", "plain names between single slashes"),
        (f"{HUB}/owner/na--me", "no hub repository has '--'"),
        ("https://[", "is not a valid address"),
        ("hf://datasets/owner/name", "is not a model"),
        ("hf://owner", "is not the address of a model"),
    ],
)
def test_what_is_no_model_says_so(text: str, why: str) -> None:
    with pytest.raises(SourceError, match=why):
        parse(text)
    assert at_commit(text, COMMIT) is None or ".." in text or "--" in text


@given(st.sampled_from([HUB, "https://", "civitai:", "hf://", "hf.co/"]), st.text(max_size=40))
def test_no_address_does_harm(start: str, rest: str) -> None:
    try:
        source = parse(start + rest)
    except SourceError as error:
        assert "\n" not in str(error)
    else:
        assert source.kind == "hub"
        assert ".." not in source.inside.split("/")


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("owner/name", "owner/name/vae"),
        ("owner/name@v1.5/sub", "owner/name@v1.5/sub/vae"),
        (f"{HUB}/owner/name/tree/v1.5", "owner/name@v1.5/vae"),
        ("embedded:emoji", "embedded:emoji/vae"),
        ("./", "./vae"),
    ],
)
def test_a_folder_in_a_source(text: str, folder: str) -> None:
    assert folder_in(text, "vae") == folder
