"""What a card is to the code that names one: a place of its own. Holds for the stand-in as for a real one."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
import torch

pytestmark = pytest.mark.gpu


def test_tensors_of_two_places_do_not_mix(card: torch.device) -> None:
    here, there = torch.ones(3), torch.ones(3, device=card)
    mixtures: list[Callable[[], torch.Tensor]] = [
        lambda: here + there,
        lambda: torch.nn.functional.linear(there, here),
        lambda: torch.cat([here, there]),
    ]
    for mixed in mixtures:
        with pytest.raises(RuntimeError, match="same device"):
            mixed()
    with pytest.raises(TypeError, match="cuda"):
        there.numpy()
    assert torch.equal((there + 1).cpu(), here + 1)


def test_a_view_shares_memory_and_a_copy_does_not(card: torch.device) -> None:
    whole = torch.zeros(4, 4, device=card)
    view, copy = whole.t()[1:], whole.cpu()
    view.add_(1)
    assert whole.sum().item() == 12
    assert copy.sum() == 0
    assert view.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()


def test_memory_is_counted_and_given_back(card: torch.device) -> None:
    gc.collect()
    before = torch.cuda.memory_allocated(card)
    torch.cuda.reset_peak_memory_stats(card)
    held = torch.zeros(1 << 20, device=card)
    held = (held + 1)[:10]
    assert torch.cuda.memory_allocated(card) - before == 4 << 20, "a view keeps all of it"
    assert torch.cuda.max_memory_allocated(card) - before == 8 << 20
    del held
    assert torch.cuda.memory_allocated(card) == before


def test_noise_of_a_seed_is_its_own(card: torch.device) -> None:
    drawn = [torch.randn(4, device=card, generator=torch.Generator(card).manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0].cpu(), torch.randn(4, generator=torch.Generator().manual_seed(0)))
    for where, other in ((card, "cpu"), (torch.device("cpu"), card)):
        with pytest.raises(RuntimeError, match="device type for generator but found"):
            torch.randn(4, device=where, generator=torch.Generator(other))


def test_gradients_are_where_their_weights_are(card: torch.device) -> None:
    layer = torch.nn.Linear(3, 2).to(card)
    layer(torch.ones(1, 3, device=card)).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.device == layer.weight.device


def test_a_second_card_is_a_place_of_its_own(card: torch.device) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("there is one card")
    first, second = (torch.ones(3, device=f"cuda:{number}") for number in (0, 1))
    with pytest.raises(RuntimeError, match="same device"):
        first + second
    assert (second + 1).device == torch.device("cuda:1")
    assert torch.equal(second.to(first.device) + first, first * 2)
    with torch.cuda.device(1):
        assert torch.ones(1, device="cuda").device.index == 1
    assert torch.ones(1, device="cuda").device.index == 0


def test_complex_numbers_are_those_of_the_cpu(card: torch.device) -> None:
    wave = torch.arange(8.0)
    here, there = (torch.fft.fft(one).conj().imag for one in (wave, wave.to(card)))
    assert torch.allclose(there.cpu(), here, atol=1e-4)
