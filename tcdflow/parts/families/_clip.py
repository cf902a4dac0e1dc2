"""Prompt embeddings of CLIP text encoders, where diffusers' own ``encode_prompt`` has no word for what is asked.

A prompt becomes tokens with weights, these become chunks of the length that a text encoder reads, each with its own
start and end token, and what the encoder makes of the chunks is joined along the sequence. That is how A1111's web UI
and diffusers' long-prompt community pipelines read long prompts; SDXL's pooled embedding is that of the first chunk.
A prompt of one chunk without weights has the bits of ``encode_prompt``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tcdflow.parts.families import _weights as formulas
from tcdflow.prompts import text

if TYPE_CHECKING:
    import torch

    from tcdflow.prompts.fragment import Fragment
    from tcdflow.spec.family import Vectors
    from tcdflow.spec.model import RunSpec


@dataclass(frozen=True)
class Token:
    """One token of a prompt.

    Attributes:
        id: in the vocabulary; of an embedding's token 0, whose vector is not used.
        weight: 1 leaves it as it is.
        fragment: number of the fragment that it belongs to.
        vector: what stands in the place of the vocabulary's, of shape ``(width,)``.
    """

    id: int
    weight: float = 1.0
    fragment: int = -1
    vector: torch.Tensor | None = None


Chunk = list[Token]


@dataclass(frozen=True)
class Encoder:
    """A text encoder with its tokenizer.

    Attributes:
        tokenizer: of transformers.
        model: a ``CLIPTextModel``, with or without projection.
        vectors: of each embedding by its name, of shape ``(vectors, width)``.
        device: where it computes.
        penultimate: whether prompts are the state before the last layer, without the final norm, as in SDXL.
    """

    tokenizer: Any
    model: Any
    device: torch.device
    vectors: Mapping[str, torch.Tensor]
    penultimate: bool

    @property
    def room(self) -> int:
        """Tokens of a chunk, start and end not counted."""
        return int(self.tokenizer.model_max_length) - 2

    def chunks(self, prompt: str, spec: RunSpec) -> list[Chunk]:
        """Return the tokens of a prompt in chunks; one chunk if it is to be truncated."""
        encoding = spec.prompt_encoding
        long = encoding.long == "chunk"
        parts = text.read(prompt, encoding.weights, spec.embedding_tokens, breaks=long)
        numbers = itertools.count()
        found: list[Chunk] = []
        for part in parts:
            found.append([])
            for fragment in part:
                for unit in self._units(fragment, next(numbers)):
                    if long and len(found[-1]) + len(unit) > self.room:
                        found.append([])
                    found[-1] += unit
        if len(found) > 1 and not found[-1]:
            found.pop()
        return found if long else [found[0][: self.room]]

    def _units(self, fragment: Fragment, number: int) -> Iterator[Chunk]:
        """Yield what may not be divided between two chunks: a token, or all those of an embedding."""
        if fragment.embedding is None:
            ids = self.tokenizer(fragment.text, add_special_tokens=False, verbose=False).input_ids
            yield from ([Token(one, fragment.weight, number)] for one in ids)
        else:
            rows = self.vectors[fragment.embedding]
            yield [Token(0, fragment.weight, number, row) for row in rows]

    def states(self, chunks: Sequence[Chunk], skip: int | None, weights: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode chunks.

        Args:
            chunks: of one prompt.
            skip: layers to skip, as ``sampling.clip_skip``.
            weights: what weights do: ``none``, ``a1111`` or ``compel``.

        Returns:
            The embeddings of shape ``(1, tokens, width)``, and the first result of the model for the first chunk, which
            is the pooled embedding of a model with projection.
        """
        import torch

        encoded = [self._encode(chunk, skip) for chunk in chunks]
        states, pooled = [state for state, _ in encoded], encoded[0][1]
        if weights == "a1111":
            states = [
                formulas.a1111(state, _weights(chunk, state)) for state, chunk in zip(states, chunks, strict=True)
            ]
        elif weights == "compel":
            states = self._compel(states, chunks, skip)
        return torch.cat(states, dim=1), pooled

    def _compel(self, states: list[torch.Tensor], chunks: Sequence[Chunk], skip: int | None) -> list[torch.Tensor]:
        weights = [_weights(chunk, state) for chunk, state in zip(chunks, states, strict=True)]
        if all(own is None for own in weights):
            return states
        faded = {token.fragment: token.weight for chunk in chunks for token in chunk if token.weight < 1}
        without = [
            [
                self._encode(chunk, skip, fragment)[0] if any(token.fragment == fragment for token in chunk) else state
                for chunk, state in zip(chunks, states, strict=True)
            ]
            for fragment in faded
        ]
        return formulas.compel(states, weights, self._encode([], skip)[0], list(faded.values()), without)

    def _encode(self, chunk: Chunk, skip: int | None, masked: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the states of a chunk, and the first result of the model.

        Args:
            chunk: without start and end.
            skip: layers to skip.
            masked: number of a fragment that no token may attend to.
        """
        import torch

        model, tokenizer = self.model, self.tokenizer
        padding = self.room - len(chunk)
        row = [tokenizer.bos_token_id, *(token.id for token in chunk), tokenizer.eos_token_id]
        ids = torch.tensor([row + [tokenizer.pad_token_id] * padding], device=self.device)
        mask = None
        if masked is not None:
            seen = [1, *(int(token.fragment != masked) for token in chunk), 1, *([1] * padding)]
            mask = torch.tensor([seen], device=self.device)
        whole = skip is not None or self.penultimate
        with _vectors_of(model, chunk):
            output = model(ids, attention_mask=mask, output_hidden_states=whole)
        if self.penultimate:
            return output.hidden_states[-2 - (skip or 0)], output[0]
        if skip is not None:
            return model.final_layer_norm(output.hidden_states[-1 - skip]), output[0]
        return output[0], output[0]


def _weights(chunk: Chunk, states: torch.Tensor) -> torch.Tensor | None:
    """Return the weight of each place of a chunk, of shape ``(1, places, 1)``; None if all of them are 1."""
    import torch

    if all(token.weight == 1 for token in chunk):
        return None
    weights = torch.ones(states.shape[1])
    weights[1 : len(chunk) + 1] = torch.tensor([token.weight for token in chunk])
    return weights.to(states.device)[None, :, None]


@contextmanager
def _vectors_of(model: Any, chunk: Chunk) -> Iterator[None]:
    """Put the vectors of embeddings where the model looks up those of tokens, and take them away again."""
    vectors = {place: token.vector for place, token in enumerate(chunk, 1) if token.vector is not None}

    def put(module: Any, arguments: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        for place, vector in vectors.items():
            output[0, place] = vector.to(output)
        return output

    if not vectors:
        yield
        return
    handle = model.get_input_embeddings().register_forward_hook(put)
    try:
        yield
    finally:
        handle.remove()


def encoders(pipe: Any, spec: RunSpec, device: torch.device, vectors: Vectors, *, penultimate: bool) -> list[Encoder]:
    """Return the text encoders of a pipeline; arguments as of :class:`Encoder` and ``Family.encode``."""
    return [
        Encoder(
            getattr(pipe, name),
            getattr(pipe, name.replace("tokenizer", "text_encoder")),
            device,
            {embedding: own[number] for embedding, own in vectors.items()},
            penultimate,
        )
        for number, name in enumerate(spec.family.tokenizers)
    ]


def encode(encoders: Sequence[Encoder], spec: RunSpec, *, zeros: bool) -> tuple[torch.Tensor | None, ...]:
    """Return what diffusers' ``encode_prompt`` does, in its order.

    Args:
        encoders: one, or SDXL's two.
        spec: of which prompts, their encoding, guidance and ``clip_skip`` count. As in diffusers, layers are skipped
            for the prompt and not for the negative prompt.
        zeros: whether no negative prompt means zeros, and not the embedding of an empty text.

    Returns:
        Prompt and negative prompt of shape ``(1, tokens, width)``, and the pooled ones of shape ``(1, width)``, which
        are SDXL's. What has fewer chunks than the others is filled up with empty ones. Negative ones are None where
        guidance is off.
    """
    import torch

    named = [spec.prompts_of(number) for number in range(len(encoders))]
    negative = any(key.startswith("negative") for texts in named for key in texts)
    signs = ["prompt", *(["negative_prompt"] if spec.guided and (negative or not zeros) else [])]
    laid = {
        sign: [one.chunks(_of(texts, sign), spec) for one, texts in zip(encoders, named, strict=True)] for sign in signs
    }
    count = max(len(chunks) for found in laid.values() for chunks in found)
    result: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for sign, found in laid.items():
        skip = spec.sampling.clip_skip if sign == "prompt" else None
        both = [
            one.states([*chunks, *([[]] * (count - len(chunks)))], skip, spec.prompt_encoding.weights)
            for one, chunks in zip(encoders, found, strict=True)
        ]
        states = torch.cat([states for states, _ in both], dim=-1)
        result[sign] = states.to(encoders[-1].model.dtype), both[-1][1]
    prompt, pooled = result["prompt"]
    if not spec.guided:
        return prompt, None, pooled, None
    other, other_pooled = result.get("negative_prompt", (torch.zeros_like(prompt), torch.zeros_like(pooled)))
    return prompt, other, pooled, other_pooled


def _of(texts: Mapping[str, str], sign: str) -> str:
    return texts.get(f"{sign}_2", texts.get(sign, ""))
