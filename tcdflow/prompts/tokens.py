"""CLIP's tokenizer, read from its folder without torch or transformers: counts tokens as ``CLIPTokenizer`` does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FILES = ("tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "tokenizer.json")
"""What of a tokenizer's folder decides the tokens; the last takes the place of the two before it."""

_START, _END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_DEFAULTS = {"bos_token": _START, "eos_token": _END, "unk_token": _END, "pad_token": _END}
_LONGEST = 100_000
"""A larger ``model_max_length`` is how transformers writes that a tokenizer has none."""


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """One tokenizer of a base.

    Attributes:
        room: tokens that a prompt may have, the start and end token not counted: 75 for CLIP.
    """

    room: int
    _backend: Any

    def starts(self, text: str) -> list[int]:
        """Return where each token of a text begins in it, in characters."""
        return [start for start, _ in self._backend.encode(text, add_special_tokens=False).offsets]

    @classmethod
    def read(cls, folder: Path) -> Tokenizer | None:
        """Read a tokenizer's folder; None if it holds none of CLIP's kind, as loading the base will say."""
        stamps = []
        for name in FILES:
            with suppress(OSError):
                stamps.append((name, os.stat(f"{folder}/{name}").st_mtime_ns))  # noqa: PTH116  for each cell of a sweep
        return _read(folder, tuple(stamps))


@lru_cache(maxsize=8)
def _read(folder: Path, stamps: tuple[tuple[str, int], ...]) -> Tokenizer | None:
    names = {name for name, _ in stamps}

    def content(name: str) -> dict[str, Any]:
        return dict(json.loads((folder / name).read_text("utf-8"))) if name in names else {}

    try:
        config, whole = content("tokenizer_config.json"), content("tokenizer.json")
        # transformers reads the older file only where the newer one does not list the tokens.
        named = _DEFAULTS | config | ({} if "added_tokens_decoder" in config else content("special_tokens_map.json"))
        room = _length(config, folder) - 2
        return Tokenizer(room, _backend(folder, named, whole)) if room > 0 else None
    except Exception:  # whatever an untrusted file makes a parser say: the base will not load either
        return None


def _length(config: dict[str, Any], folder: Path) -> int:
    """Return the most tokens of a text: the tokenizer's own limit, else the positions of the encoder beside it."""
    length = config.get("model_max_length")
    if isinstance(length, int) and length < _LONGEST:
        return length
    encoder = folder.with_name(folder.name.replace("tokenizer", "text_encoder")) / "config.json"
    return int(json.loads(encoder.read_text("utf-8"))["max_position_embeddings"])


def _backend(folder: Path, named: dict[str, Any], whole: dict[str, Any]) -> Any:
    """Build what ``transformers.CLIPTokenizer`` builds.

    Args:
        folder: of ``vocab.json`` and ``merges.txt``.
        named: settings, special tokens among them.
        whole: content of ``tokenizer.json``, which takes their place; empty where there is none.
    """
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    unknown = _content(named["unk_token"])
    if whole:
        model = whole["model"]
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
        merges = [(str(left), str(right)) for left, right in pairs]
        bpe = BPE(model["vocab"], merges, end_of_word_suffix="</w>", unk_token=unknown)
    else:
        paths = str(folder / "vocab.json"), str(folder / "merges.txt")
        bpe = BPE.from_file(*paths, end_of_word_suffix="</w>", unk_token=unknown)
    backend = Tokenizer(bpe)
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    backend.add_tokens(list(_added(named, whole)))
    return backend


def _added(named: dict[str, Any], whole: dict[str, Any]) -> Iterator[Any]:
    """Yield the tokens that stand for themselves wherever they are met: ``!``, which pads in SDXL, is one of them."""
    listed = [
        token for _, token in sorted(named.get("added_tokens_decoder", {}).items(), key=lambda item: int(item[0]))
    ]
    listed = listed or whole.get("added_tokens", [])
    seen: set[str] = set()
    for token in (*listed, *(named[name] for name in _NAMED if named.get(name))):
        if _content(token) not in seen:
            seen.add(_content(token))
            yield _token(token)


def _token(token: Any) -> Any:
    from tokenizers import AddedToken

    known = ("single_word", "lstrip", "rstrip", "normalized", "special")
    settings = {name: token[name] for name in known if name in token} if isinstance(token, dict) else {}
    return AddedToken(_content(token), **{"special": True, **settings})


def _content(token: Any) -> str:
    """Return a special token of a config, which is text or a mapping with it."""
    return str(token["content"] if isinstance(token, dict) else token)
