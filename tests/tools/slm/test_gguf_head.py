"""The head of a GGUF file is counted before anything of it is read."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models import make_gguf
from tools.slm.errors import BadModel
from tools.slm.gguf_head import LIST, MOST_FIELDS, MOST_LISTED, MOST_TENSORS, STRING, check_head


def text(said: bytes) -> bytes:
    return struct.pack("<Q", len(said)) + said


def listed(kind: int, count: int, body: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + body


def field(kind: int, body: bytes) -> bytes:
    return text(b"general.name") + struct.pack("<I", kind) + body


def head(*fields: bytes, tensors: int = 0, count: int | None = None) -> bytes:
    counts = struct.pack("<IQQ", 3, tensors, len(fields) if count is None else count)
    return b"GGUF" + counts + b"".join(fields)


def check(body: bytes, folder: Path) -> None:
    path = folder / "a.gguf"
    path.write_bytes(body)
    check_head(path)


def test_the_heads_of_models_pass(tmp_path: Path) -> None:
    check_head(make_gguf(tmp_path / "small.gguf"))
    check(head(), tmp_path)
    check(head(field(7, b"1"), field(LIST, listed(STRING, 2, text(b"a") + text(b"")))), tmp_path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no GGUF"),
        (b"GGUF", "cut off"),
        (head(count=1), "cut off"),
        (head(field(STRING, text(b"long")[:-1])), "cut off"),
        (head(field(STRING, struct.pack("<Q", 2**63))), "cut off"),
        (head(field(LIST, listed(0, 5, b"1234"))), "cut off"),
        (head(field(13, b"")), "damaged"),
        (head(field(LIST, listed(13, 1))), "damaged"),
        (head(tensors=MOST_TENSORS + 1), "more than any model"),
        (head(count=MOST_FIELDS + 1), "more than any model"),
        (head(field(LIST, listed(LIST, 1) * 3000)), "lists in lists"),
        (head(field(LIST, listed(0, MOST_LISTED + 1, bytes(MOST_LISTED + 1)))), "entries in lists"),
        (head(*2 * [field(LIST, listed(0, MOST_LISTED, bytes(MOST_LISTED)))]), "entries in lists"),
    ],
)
def test_what_no_model_has_is_refused(body: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=said):
        check(body, tmp_path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tail=st.binary(max_size=60), cut=st.integers(0, 200))
def test_any_bytes_pass_or_are_refused(tail: bytes, cut: int, tmp_path: Path) -> None:
    whole = head(field(LIST, listed(STRING, 1, text(b"a"))), field(4, b"1234"), count=3)
    with suppress(BadModel):
        check(whole[:cut] + tail, tmp_path)
