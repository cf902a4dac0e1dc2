"""Which tensors of a textual inversion file are for which text encoder."""

from __future__ import annotations

import pytest

from tcdflow.errors import SourceError
from tcdflow.files.embedding import names

SD15, SDXL = [768], [768, 1280]


def test_files_of_sdxl_in_the_names_of_every_trainer() -> None:
    assert names({"clip_g": (2, 1280), "clip_l": (2, 768)}, SDXL) == ["clip_l", "clip_g"]
    assert names({"text_encoders_0": (2, 768), "text_encoders_1": (2, 1280)}, SDXL) == [
        "text_encoders_0",
        "text_encoders_1",
    ]


@pytest.mark.parametrize(("half", "width"), [("clip_g", 1280), ("clip_l", 768)])
def test_one_half_of_a_file_of_sdxl(half: str, width: int) -> None:
    with pytest.raises(SourceError, match=f"^holds {half} alone; this base has 2 text encoders"):
        names({half: (2, width)}, SDXL)


def test_a_half_that_fits_the_one_text_encoder_of_a_base() -> None:
    assert names({"clip_l": (2, 768)}, SD15) == ["clip_l"]


def test_a_file_for_other_bases_says_for_which() -> None:
    with pytest.raises(SourceError, match="one text encoder"):
        names({"emb_params": (2, 768)}, SDXL)
    with pytest.raises(SourceError, match="two text encoders"):
        names({"clip_g": (2, 1280), "clip_l": (2, 768)}, SD15)
    with pytest.raises(SourceError, match="vectors of 1024"):
        names({"emb_params": (2, 768)}, [1024])
