"""Files of prompts: what their rows bring, how they are encoded, and what is wrong with them, by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tcdflow.errors import SourceError
from tcdflow.prompts.rows import read


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values(path: Path) -> list[dict[str, Any]]:
    return [dict(row.values) for row in read(path)]


def test_text_is_literal(tmp_path: Path) -> None:
    text = "# a comment\n\n  a, {b|c} \"d\" 'e' ${f} # g  \n\\#hash\n\\n\n"
    found = [one["prompt"] for one in values(write(tmp_path, "a.txt", text))]
    assert found == ["a, {b|c} \"d\" 'e' ${f} # g", "#hash", "\\n"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(encoding: str, end: str, tmp_path: Path) -> None:
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    data = f"{mark}ein grünes Herz{end}猫{end}".encode(encoding)
    assert [row.line for row in read(write(tmp_path, "a.txt", data))] == [1, 2]
    assert [one["prompt"] for one in values(write(tmp_path, "b.txt", data))] == ["ein grünes Herz", "猫"]
    table = f'{mark}prompt,seed{end}"a, ""b""",3{end}{end}c,{end}'.encode(encoding)
    assert values(write(tmp_path, "a.csv", table)) == [{"prompt": 'a, "b"', "seed": 3}, {"prompt": "c"}]


def test_rows_bring_their_own(tmp_path: Path) -> None:
    wanted = [{"prompt": "a", "negative_prompt": "b", "seed": 1, "width": 72, "height": 64}, {"prompt": "c", "seed": 0}]
    table = "Prompt; Negative_Prompt ;seed;width;height\na;b;1;72;64\nc;;0;;\n"
    assert values(write(tmp_path, "a.csv", table)) == wanted
    lines = (
        '{"prompt":"a","negative_prompt":"b","seed":1,"width":72,"height":64}\n\n{"prompt":"c","seed":0,"width":null}\n'
    )
    assert values(write(tmp_path, "a.jsonl", lines)) == wanted


def test_a_cell_may_hold_lines(tmp_path: Path) -> None:
    rows = read(write(tmp_path, "a.csv", 'prompt,seed\n"a\nb",1\nc,2\n'))
    assert [(row.line, row.values["prompt"]) for row in rows] == [(3, "a\nb"), (4, "c")]


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.md", "a", "ends in .txt, .csv or .jsonl"),
        ("a.txt", "# only\n\n", "holds no prompt"),
        ("a.txt", b"\xff\xfe\xff", "not UTF-8 text"),
        ("a.txt", b"a\x80", "not UTF-8 text"),
        ("a.csv", "a,b\n", "line 1: must name the columns"),
        ("a.csv", "prompt,prompt\n", "line 1: names a column twice"),
        ("a.csv", "prompt,sede\na,1\n", "line 2: 'sede' is no column; there are prompt,"),
        ("a.csv", "prompt,seed\na,1\nb,x\n", "line 3: seed must be a whole number, not 'x'"),
        ("a.csv", "prompt,seed\na, b, 1\n", "line 2: has 3 cells and the header 2; put quotes around text with a ','"),
        ("a.csv", 'prompt,seed\n"a,1\n', "line 2: "),
        ("a.csv", "prompt,seed\n,1\n", "line 2: has no prompt"),
        ("a.jsonl", '{"prompt": "a"}\n{"prompt": }\n', "line 2: is not JSON"),
        ("a.jsonl", '"a"\n', "line 1: must be an object"),
        ("a.jsonl", '{"prompt": ["a"]}\n', "line 1: prompt must be text"),
        ("a.jsonl", '{"prompt": 3}\n{"prompt": "a", "seed": 1.5}\n', "line 1: prompt must be text"),
        ("a.jsonl", '{"prompt": "a", "seed": true}\n', "line 1: seed must be a whole number"),
        ("a.jsonl", "[" * 100_000, "line 1: is not JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(name: str, content: str | bytes, found: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        read(write(tmp_path, name, content))
    assert found in str(caught.value)
