"""The run key: changed by whatever decides pixels, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcdflow.files.lock import LockedFile
from tcdflow.record.key import effect, pixel_part, run_key
from tcdflow.spec.keys import Key, keys
from tcdflow.spec.model import RunSpec

LOCK = [
    LockedFile(role="base", source="a", revision="1", file="unet/x.safetensors", size=1, sha256="aa" * 32),
    LockedFile(role="loras.one", source="b", revision=None, file="y.safetensors", size=2, sha256="bb" * 32),
]

PLAIN: dict[str, Any] = {
    "prompt": "a fox",
    "negative_prompt": "",
    "task": {"name": "image_to_image", "image": "a.png", "strength": 0.8},
    "base": {"family": "emoji", "source": "embedded:emoji", "size": 64},
    "scheduler": {"name": "tcd"},
    "loras": {
        "one": {"source": "one.safetensors", "weight": 1.0},
        "image": {"source": "two.safetensors", "weight": 0.5},
    },
    "embeddings": {"bad": {"source": "bad.safetensors"}},
    "adapters": {
        "edges": {"kind": "controlnet", "family": "emoji", "source": "c", "image": "e.png"},
        "look": {"kind": "ip_adapter", "family": "emoji", "source": "i", "image_encoder": "e", "images": ["p.png"]},
    },
    "sampling": {"steps": 4, "eta": 0.3, "guidance_scale": 0.0, "seed": 0},
}

# Each of these makes another image.
DECIDES: list[tuple[str, Any]] = [
    ("prompt", "a cat"),
    ("prompt", "a fox "),
    ("negative_prompt", "ugly"),
    ("task.strength", 0.5),
    ("task.fit", "crop"),
    ("base.size", 72),
    ("base.safety_checker", True),
    ("scheduler.name", "lcm"),
    ("scheduler.beta_schedule", "linear"),
    ("scheduler.original_inference_steps", 100),
    ("loras.one.weight", 0.9),
    ("loras.one.weight", {"unet": {"down": 0.5}}),
    ("loras.image.weight", 0.6),
    ("lora_stack.fuse", False),
    ("lora_stack.merge", {"method": "cat"}),
    ("adapters.edges.scale", 0.5),
    ("adapters.edges.end", 0.5),
    ("adapters.edges.preprocessor", {"name": "canny"}),
    ("adapters.look.scale", 0.5),
    ("prompt_2", "a cat"),
    ("negative_prompt_2", "ugly"),
    ("prompt_encoding.long", "chunk"),
    ("prompt_encoding.weights", "a1111"),
    ("embeddings.bad.token", "worse"),
    ("sampling.steps", 5),
    ("sampling.eta", 0.31),
    ("sampling.guidance_scale", 2.0),
    ("sampling.seed", 1),
    ("sampling.seed", [0, 1]),
    ("sampling.num_images", 2),
    ("sampling.width", 72),
    ("sampling.height", 72),
    ("sampling.clip_skip", 1),
    ("sampling.generator", "device"),
    ("runtime.dtype", "float16"),
    ("runtime.vae_tiling", True),
    ("runtime.layerwise_casting", "float8_e4m3fn"),
]

# These are told apart by the lock, or do not touch the image.
INDIFFERENT: list[tuple[str, Any]] = [
    ("output.metadata", "none"),
    ("output.format", "webp"),
    ("output.description", "mine"),
    ("runtime.device", "cpu"),
    ("runtime.device", "cuda:1"),
    ("runtime.description", "mine"),
    ("runtime.offload", "model"),
    ("base.description", "mine"),
    ("base.source", "./a/copy"),
    ("task.description", "mine"),
    ("task.image", "elsewhere/a.png"),
    ("scheduler.description", "mine"),
    ("sampling.description", "mine"),
    ("sampling.width", 64),
    ("sampling.seed", [0]),
    ("loras.one.description", "mine"),
    ("loras.one.source", "elsewhere/one.safetensors"),
    ("loras.one.distilled", True),
    ("embeddings.bad.description", "mine"),
    ("embeddings.bad.source", "elsewhere/bad.safetensors"),
    ("embeddings.bad.token", "bad"),
    ("adapters.edges.description", "mine"),
    ("adapters.edges.image", "elsewhere/e.png"),
    ("adapters.look.images", ["elsewhere/p.png"]),
]


def spec(*changes: tuple[str, Any]) -> RunSpec:
    plain = RunSpec.model_validate(PLAIN).model_dump(mode="json")
    for key, value in changes:
        *parents, last = key.split(".")
        node = plain
        for parent in parents:
            node = node[parent]
        assert last in node
        node[last] = value
    return RunSpec.model_validate(plain)


ORIGINAL = run_key(spec(), LOCK)


def test_it_is_a_sha256() -> None:
    assert len(ORIGINAL) == 64
    assert set(ORIGINAL) <= set("0123456789abcdef")


@pytest.mark.parametrize(("key", "value"), DECIDES, ids=str)
def test_what_decides_pixels_changes_it(key: str, value: Any) -> None:
    assert run_key(spec((key, value)), LOCK) != ORIGINAL


@pytest.mark.parametrize(("key", "value"), INDIFFERENT, ids=str)
def test_what_does_not_leaves_it(key: str, value: Any) -> None:
    assert run_key(spec((key, value)), LOCK) == ORIGINAL


@given(st.lists(st.sampled_from(DECIDES), min_size=1, unique_by=lambda c: c[0]), st.lists(st.sampled_from(INDIFFERENT)))
def test_together_too(decisive: list[tuple[str, Any]], rest: list[tuple[str, Any]]) -> None:
    assigned = {key for key, _ in decisive} | {"sampling.seed", "sampling.width", "runtime.device"}
    others = [change for change in rest if change[0] not in assigned]
    assert run_key(spec(*decisive, *others), LOCK) == run_key(spec(*decisive), LOCK) != ORIGINAL


@given(st.text(max_size=30), st.text(max_size=30))
def test_prompts_are_told_apart(one: str, other: str) -> None:
    keys = [run_key(spec(("prompt", f"x{text}")), LOCK) for text in (one, other) if text.isprintable()]
    assert len(set(keys)) == len({text for text in (one, other) if text.isprintable()})


@pytest.mark.parametrize("part", ["loras", "adapters"])
def test_the_order_of_a_stack_changes_it(part: str) -> None:
    turned = spec().model_dump(mode="json")
    turned[part] = dict(reversed(turned[part].items()))
    assert run_key(RunSpec.model_validate(turned), LOCK) != ORIGINAL


def test_noise_of_the_device_makes_the_device_count() -> None:
    keys = [run_key(spec(("sampling.generator", "device"), ("runtime.device", d)), LOCK) for d in ("cpu", "cuda")]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("field", ["role", "file", "sha256"])
def test_the_bytes_that_were_read_change_it(field: str) -> None:
    assert run_key(spec(), [LOCK[0].model_copy(update={field: "other"}), LOCK[1]]) != ORIGINAL


@pytest.mark.parametrize("field", ["source", "revision"])
def test_where_they_came_from_does_not(field: str) -> None:
    assert run_key(spec(), [LOCK[0].model_copy(update={field: "other"}), LOCK[1]]) == ORIGINAL


def test_the_order_of_the_lock_does_not_either() -> None:
    assert run_key(spec(), LOCK[::-1]) == ORIGINAL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mask_from", "alpha"),
        ("mask_threshold", 1),
        ("mask_invert", True),
        ("mask_padding", 4),
        ("mask_blur", 2.0),
        ("paste_back", True),
    ],
)
def test_what_tasks_got_later_counts_where_it_is_set(name: str, value: Any) -> None:
    def masked(**settings: Any) -> RunSpec:
        return RunSpec.model_validate(PLAIN | {"task": {"name": "inpainting", "image": "a", "mask": "b"} | settings})

    assert name not in pixel_part(masked())["task"]
    assert run_key(masked(**{name: value}), LOCK) != run_key(masked(), LOCK)


def test_it_survives_being_written_and_read() -> None:
    assert run_key(RunSpec.model_validate_json(spec().model_dump_json()), LOCK) == ORIGINAL


def _values(key: Key) -> list[Any]:
    """Values of a key, each of another meaning, as far as its type tells any."""
    if key.choices and not key.meanings:  # a part of another name would have other keys
        return [{"true": True, "false": False}.get(choice, choice) for choice in key.choices]
    if key.range:
        low = int(key.range.removeprefix("above ").split()[0].strip(","))
        return [low, low + 8] if key.type.startswith("whole") else [low + 0.25, low + 0.5]
    return list(key.examples or (["a", "b"] if key.type.startswith("text") else []))


class TestEffect:
    """What ``effect`` says of a key is what the run key does."""

    @pytest.mark.parametrize(("key", "value"), DECIDES, ids=str)
    def test_a_key_that_decides_pixels(self, key: str, value: Any) -> None:
        assert effect(key) == "pixels"

    @pytest.mark.parametrize("key", ["base.source", "base.config", "base.variant", "task.image", "runtime.tiny_vae"])
    def test_a_key_that_names_files(self, key: str) -> None:
        assert effect(key) == "files"

    @pytest.mark.parametrize("key", ["runtime.tf32", "runtime.device", "runtime.compile.mode"])
    def test_a_key_that_changes_bits_at_most(self, key: str) -> None:
        assert effect(key) == "bits"

    @pytest.mark.parametrize("key", ["sweep.retry", "lock", "hydra.run.dir", "base.tasks", "runtime.description"])
    def test_a_key_that_does_neither(self, key: str) -> None:
        assert effect(key) == "none"

    @pytest.mark.parametrize("key", [key for key in keys(RunSpec) if len(_values(key)) > 1], ids=lambda key: key.name)
    def test_every_key_whose_type_tells_two_values(self, key: Key) -> None:
        """Each of them makes another run key, or all make the same."""
        plain, place = _with(key)
        made = set()
        for value in _values(key):
            *parents, last = place.split(".")
            node = reduce(lambda node, name: node[name], parents, plain)
            node[last] = value
            made.add(run_key(RunSpec.model_validate(plain), LOCK))
        assert len(made) == (len(_values(key)) if effect(key.name) == "pixels" else 1)


def _names(key: str) -> tuple[str, ...]:
    """The parts that a key chooses from."""
    return next(known.choices for known in keys(RunSpec) if known.name == key)


def _specs() -> Iterator[Any]:
    """Specs that have every key between them, as far as keys have two values."""
    edges = PLAIN["adapters"]["edges"]
    yield PLAIN | {"lora_stack": {"merge": {"method": "ties"}}, "runtime": {"compile": {}}}
    for task in ({"name": "inpainting", "image": "a.png", "mask": "m.png"}, {"name": "animation"}):
        yield PLAIN | {"task": task}
    for name in _names("scheduler.name"):
        yield PLAIN | {"scheduler": {"name": name}}
    for name in _names("adapters.NAME.preprocessor.name"):
        yield PLAIN | {"adapters": {**PLAIN["adapters"], "edges": edges | {"preprocessor": {"name": name}}}}
    yield PLAIN | {"adapters": {"edges": edges | {"kind": "t2i_adapter"}}}


def _with(key: Key) -> tuple[Any, str]:
    """Return a spec that has a key, and where the key stands in it."""
    for spec in _specs():
        plain = RunSpec.model_validate(spec).model_dump(mode="json")
        for place in _places(plain):
            if key.matches(place) and (not key.kinds or _parts(plain, place) & set(key.kinds)):
                return plain, place
    raise AssertionError(f"no spec of this test has {key.name} of {key.kinds}")


def _places(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    return [
        found
        for name, value in node.items()
        for key in [f"{prefix}.{name}" if prefix else name]
        for found in [key, *_places(value, key)]
    ]


def _parts(plain: Any, place: str) -> set[str]:
    """The names of the parts that a place lies within."""
    parents = place.split(".")[:-1]
    nodes = [reduce(lambda node, name: node[name], parents[:depth], plain) for depth in range(1, len(parents) + 1)]
    return {str(node.get(tag)) for node in nodes for tag in ("kind", "name")}
