"""Tiny CLIP tokenizers and text encoders, in the files that the hub has (``vocab.json``, ``merges.txt``)."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from .weights import fill, save_tensors, save_variants, write_json

START = "<|startoftext|>"
END = "<|endoftext|>"
MAX_LENGTH = 77

#: Words with a token of their own; every other word is spelt in bytes, as CLIP does with rare words.
_TEXT = """
a an the of in on with and photo painting image papercut cat dog bird tiger bench park man woman girl castle
mountain snow winter house red green blue orange best quality masterpiece style lecture wearing
"""
WORDS = _TEXT.split()


def _byte_symbols() -> list[str]:
    """List the 256 printable symbols that stand for bytes, in the order of CLIP's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(256 - len(printable))]


def _merges() -> list[tuple[str, str]]:
    """Join each word from the left, one symbol at a time: the merges a byte-pair encoder would look up."""
    pairs: dict[tuple[str, str], None] = {}
    for word in WORDS:
        symbols = [*word[:-1], f"{word[-1]}</w>"]
        joined = symbols[0]
        for symbol in symbols[1:]:
            pairs[joined, symbol] = None
            joined += symbol
    return list(pairs)


def _vocabulary() -> dict[str, int]:
    symbols = _byte_symbols()
    words = [left + right for left, right in _merges()]
    # The end token has to have the highest number: with ``eos_token_id`` 2, which the real configurations
    # have, transformers finds the end of the text as the position of the highest number.
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *dict.fromkeys(words), START, END]
    return {token: index for index, token in enumerate(tokens)}


VOCABULARY_SIZE = len(_vocabulary())


def write_tokenizer(folder: Path, pad_token: str = END) -> None:
    """Write a CLIP tokenizer as the hub's ``tokenizer`` folders have it.

    ``pad_token`` is ``<|endoftext|>`` in SD 1.5 and in SDXL's first tokenizer, ``!`` (token 0) in SD 2.1 and
    in SDXL's second one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(_vocabulary(), ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in _merges())]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    specials = {"bos_token": START, "eos_token": END, "pad_token": pad_token, "unk_token": END}
    write_json(folder / "special_tokens_map.json", specials)
    settings = {"add_prefix_space": False, "do_lower_case": True, "errors": "replace"}
    write_json(
        folder / "tokenizer_config.json",
        {**settings, **specials, "model_max_length": MAX_LENGTH, "tokenizer_class": "CLIPTokenizer"},
    )


def text_config(hidden_size: int, *, activation: str, projection_dim: int) -> CLIPTextConfig:
    """Configure a text encoder: ``quick_gelu`` is OpenAI's CLIP (SD 1.5), ``gelu`` OpenCLIP (SD 2.1)."""
    return CLIPTextConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        hidden_act=activation,
        projection_dim=projection_dim,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )


def write_text_encoder(folder: Path, config: CLIPTextConfig, seed: int, *, with_projection: bool = False) -> None:
    """Write a text encoder in fp32 and fp16, its tensors named as on the hub."""
    model = (CLIPTextModelWithProjection if with_projection else CLIPTextModel)(config)
    # Sharp attention: with flat attention the padding drowns the words and every prompt gives one image.
    fill(model, seed, {"q_proj.weight": 2.0, "k_proj.weight": 2.0, "position_embedding.weight": 0.3})
    save_variants(model, folder)
    if not with_projection:
        # transformers 5 saves CLIPTextModel without the ``text_model.`` that all the hub's files have.
        for path in folder.glob("*.safetensors"):
            named = {f"text_model.{key}": tensor for key, tensor in load_file(path).items()}
            save_tensors(named, path)
