"""How prompts are read (key ``prompt_encoding``), and what words of theirs may stand for (group ``embeddings``)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tcdflow.spec.family import FamilyName
from tcdflow.spec.types import Description, Settings, SourceText, Text

EmbeddingToken = Annotated[Text, StringConstraints(pattern=r"^\S(.{0,98}\S)?$")]


class PromptEncodingSpec(Settings):
    """How prompts become embeddings."""

    long: Literal["truncate", "chunk"] = Field(
        "truncate",
        description="what becomes of a prompt that is longer than the text encoder reads (75 tokens): the rest is cut "
        "off, or read in chunks of that length one after the other, as A1111's web UI does; BREAK begins a chunk",
    )
    weights: Literal["none", "a1111", "compel"] = Field(
        "none",
        description="how weights of words are written: none takes all text as it stands, a1111 reads (word:1.2), "
        "(word) and [word], compel reads (word)1.2, word++ and word--",
    )


class EmbeddingSpec(Settings):
    """A textual inversion embedding (group ``embeddings``): vectors that a word of the prompt stands for."""

    description: Description = ""
    source: SourceText = Field(
        description="where its vectors are: a hub id (owner/name, with @revision or /path/in/it) or a .safetensors file"
    )
    token: EmbeddingToken | None = Field(
        None, description="the word of prompts that stands for it, in any case; null is the name it has here"
    )
    family: FamilyName | None = Field(None, description="family of the bases it was trained on; null is not checked")
