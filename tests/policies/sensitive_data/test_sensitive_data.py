from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.facts import DataScan
from policies.sensitive_data import scan_body, scan_texts
from policies.sensitive_data.scan import MAX_CHARS, MAX_MEMBERS

KEY = "AKIA" + "IOSFODNN7QABCDEF"
REAL = {
    "private_key": ("-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"),
    "api_key": (KEY, "sk-ant-api03-" + "aB3dE5fG7hI9jK1lM3nO5p", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"),
    "token": ("ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", "glpat-" + "x9Yz8Wv7Ut6Sr5Qp4On3"),
    "connection_string": (
        "postgres://app:s3cr3tpw@db.internal/x",
        "Server=db;Database=shop;User Id=app;Password=hT7-kkq;",
    ),
    "credential": ('password = "hK29sdf8sdKJ2ls"', '"api_key": "9f8a7b6c5d4e3f2a1b0c"'),
    "email": ("anna.schmidt@firma.de",),
    "iban": ("DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"),
    "credit_card": ("4111 1111 1111 1111", "378282246310005"),
    "phone": ("call +49 170 1234567", "call (415) 555-2671"),
    "national_id": ("123-45-6789", "12345678Z", "RSSMRA85T10A562S", "QQ 12 34 56 C".replace("QQ", "AB")),
}
ALIKE = (
    "DE89370400440532013001", "4111 1111 1111 1112", "git@github.com:a/b", "https://user:${PASS}@host/x",
    "1700000000000", "a@2x.png", "12345678A", "RSSMRA85T10A562T", "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "000-12-3456",
    "password = os.environ['DB_PASSWORD']", 'password = "changeme"', "+1 -1 @@ -10,7 +10,9 @@", "v1.22.333.4444",
)  # fmt: skip


def kinds(scan: DataScan) -> set[str]:
    """Return the kinds that were seen."""
    return {kind for kind, _ in scan.counts}


@pytest.mark.parametrize(("kind", "text"), [(k, t) for k, texts in REAL.items() for t in texts])
def test_real(kind: str, text: str) -> None:
    """Real data are found where they stand, in prose and through JSON's escapes."""
    body = json.dumps({"messages": [{"role": "user", "content": f"é see\n{text}\nnow"}]}).encode()

    scan = scan_body(body)

    assert kind in kinds(scan)
    spot = next(s for s in scan.sightings if s.kind == kind)
    assert spot.where == "messages[0]"
    assert f"é see\n{text}\nnow"[spot.start - len("role\nuser\ncontent\n") : spot.end - 18] in text


@pytest.mark.parametrize("text", ALIKE)
def test_alike(text: str) -> None:
    """What only looks like data is left alone."""
    assert scan_texts([("m", f"see {text} now")]) == DataScan()


@pytest.mark.parametrize(
    "body",
    [
        {"system": f"use {KEY}"},
        {"tools": [{"function": {"name": "f", "description": KEY}}]},
        {"messages": [{"content": [{"type": "tool_result", "content": [{"text": KEY}]}]}]},
        {"messages": [{"tool_calls": [{"function": {"arguments": json.dumps({"k": KEY})}}]}]},
        {"metadata": {KEY: "1"}},
        {"mine": {"deep": [[{"er": KEY}]]}},
        {"prompt": 4111111111111111},
    ],
)
def test_whole_body(body: object) -> None:
    """Whatever leaves is searched: system, tools, results, arguments, names of members, numbers."""
    scan = scan_body(json.dumps(body).encode())

    assert kinds(scan) & {"api_key", "credit_card"}
    assert KEY not in repr(scan)


def test_escaped_key() -> None:
    """Escaping letters hides nothing."""
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)

    assert kinds(scan_body(f'{{"input": "{escaped}"}}'.encode())) == {"api_key"}


def test_images_are_no_text() -> None:
    """Encoded files are not searched."""
    data = f"data:image/png;base64,{'A' * 2_000}/{KEY}"

    assert (
        scan_body(json.dumps({"messages": [{"image_url": data}, {"data": "A" * 2_000 + KEY}]}).encode())
        == DataScan()
    )


def test_flood_counts() -> None:
    """Look-alikes in numbers past checking count as found: hiding among them is no way out."""
    assert kinds(scan_texts([("m", "4111 1111 1111 1112 " * 6_000)])) == {"credit_card"}


@pytest.mark.parametrize(
    "text", ["1234 5678 ", "a.b@", "4111 ", "password='", "eyJ", "-----BEGIN ", "x:/@;="]
)
def test_linear(text: str) -> None:
    """Ten megabytes of beginnings end within seconds."""
    started = time.perf_counter()

    scan_texts([("m", text * (10_000_000 // len(text)))])

    assert time.perf_counter() - started < 5


MAIL = "anna.schmidt@firma.de "
HOSTILE = {
    "real data": json.dumps({"messages": [{"content": MAIL * 300_000}]}),
    "wide characters": json.dumps({"messages": [{"content": ("é" + MAIL) * 200_000}]}, ensure_ascii=False),
    "many messages": json.dumps({"messages": [{"content": MAIL * 20}] * 10_000}),
    "look-alikes": json.dumps({"messages": ["4111 1111 1111 1112 " * 100] * 3_000}),
    "tiny messages": json.dumps({"messages": ["a"] * 1_000_000}),
    "tiny members": json.dumps({f"k{n}": n for n in range(300_000)}),
    "token numbers": json.dumps({"input": [[n % 100_000 for n in range(1_000_000)]]}),
}


@pytest.mark.parametrize("body", HOSTILE)
def test_hostile_bodies(body: str) -> None:
    """Whatever a body is made of, the search ends within seconds; one past its bounds says so."""
    raw = HOSTILE[body].encode()
    started = time.perf_counter()

    scan = scan_body(raw)

    assert time.perf_counter() - started < 5
    assert (scan.coverage < 1) is (body in {"tiny messages", "tiny members"})


def test_text_beyond_the_bound() -> None:
    """What lies beyond the bound is not found, and the coverage says how much was searched."""
    half = "word " * (MAX_CHARS // 5)

    assert scan_texts([("m", half), ("n", KEY + half)]) == DataScan(coverage=0.5)
    assert scan_texts([("m", half[: -len(KEY)] + KEY)]).coverage == 1
    assert scan_texts([("m", half + "word")]).coverage == 0.999


@pytest.mark.parametrize("count", [MAX_MEMBERS - 1, MAX_MEMBERS, MAX_MEMBERS + 5])
def test_many_members(count: int) -> None:
    """Members past the first thousand are searched together, under no name of their own."""
    (spot,) = scan_body(json.dumps({"messages": ["hi"] * count + [KEY]}).encode()).sightings

    assert spot.where == (f"messages[{count}]" if count < MAX_MEMBERS else "other")


@pytest.mark.parametrize(
    "text", [f'data: {{"a": "{"x" * 2_000}", "b": "{KEY}"}}', f"data:{'x ' * 2_000}{KEY}"]
)
def test_event_streams_are_text(text: str) -> None:
    """A pasted event stream begins like a data URL and is searched all the same."""
    assert kinds(scan_body(json.dumps({"messages": [{"content": text}, {"data": text}]}).encode())) == {
        "api_key"
    }


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_total(raw: bytes) -> None:
    """Any bytes have a scan."""
    assert all(re.fullmatch("[a-z_]+", kind) for kind in kinds(scan_body(raw)))
