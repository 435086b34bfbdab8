"""A whole session: what is read, what is left alone, and what comes back."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions import Session
from localsessions.format import decode, encode, original_bytes
from localsessions.redaction import PATTERNS, FoundSecret, parse_patterns, redact
from localsessions.transcripts import ExportKind, export

from .tokens import LETTERS, PEM, TOKENS

if TYPE_CHECKING:
    from .conftest import Left

TOKEN = TOKENS["github-token"][0]
SHOWN = "[REDACTED:github-token]"
RANDOM = LETTERS[:40]


def session(**fields: Any) -> Session:
    return Session(session_id="s", **fields)


def messages(*contents: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content} for content in contents]


# -- where secrets are looked for ----------------------------------------------------------------


def test_every_text_of_a_session_is_read() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": json.dumps({"a": TOKEN})}}
    fields = {
        "title": TOKEN,
        "messages": [
            {"role": "user", "content": f"use {TOKEN}"},
            {"role": "user", "content": [{"type": "text", "text": TOKEN}]},
            {"role": "assistant", "content": None, "tool_calls": [call], "thinking": TOKEN},
            {"role": "tool", "content": {"stdout": [TOKEN]}, "tool_call_id": "c"},
        ],
        "runs": [{"run_id": "r", "input": TOKEN}],
        "state": {"deep": [[{"a": TOKEN}]]},
        "metadata": {"note": TOKEN},
        "modules": {"m": TOKEN},
        "agent_context": {"metadata": {"note": TOKEN}},
        "source": {"file": f"/{TOKEN}/a.jsonl", "facts": {"remote": TOKEN}},
        "forked_from": {"note": TOKEN},
        "tags": [TOKEN],
        "user_id": f"user of {TOKEN}",
        "status": TOKEN,
        "future": {"field": TOKEN},
    }
    given_session = decode(json.dumps(fields).encode(), "s")
    redacted = redact(given_session)
    data = encode(redacted.session)
    assert TOKEN not in data.decode()
    expected = decode(json.dumps(fields).replace(TOKEN, SHOWN).encode(), "s")
    assert redacted.session.extra == expected.extra
    assert redacted.session.messages == expected.messages
    assert redacted.session.tags == [SHOWN]
    assert len(redacted.findings) == 18
    assert {one.kind for one in redacted.findings} == {"github-token"}


def test_a_finding_says_where_and_shows_only_the_beginning() -> None:
    found = redact(session(title=TOKEN, messages=messages("", f"use {TOKEN}"))).findings
    assert found == (
        FoundSecret("github-token", "title", None, "ghp_… (40 characters)"),
        FoundSecret("github-token", "messages[1].content", 2, "ghp_… (40 characters)"),
    )


def test_of_a_short_secret_nothing_is_shown() -> None:
    (found,) = redact(session(title="redis://:s3same@host")).findings
    assert found.beginning == "… (6 characters)"


def test_a_key_of_an_object_is_read_and_no_value_is_lost(left: Left) -> None:
    other = TOKENS["github-token"][1]
    assert left({"before": 1, TOKEN: 2, other: 3, SHOWN: 4, "after": 5}) == {
        "before": 1,
        f"{SHOWN}~2": 2,
        f"{SHOWN}~3": 3,
        SHOWN: 4,
        "after": 5,
    }


def test_a_place_does_not_show_a_key_that_is_a_secret() -> None:
    found = redact(session(state={TOKEN: {"a": f"x {TOKEN}"}})).findings
    assert [one.where for one in found] == [f"state.{SHOWN}", f"state.{SHOWN}.a"]


def test_a_secret_that_is_found_once_is_replaced_wherever_it_stands_as_a_word(left: Left) -> None:
    texts: list[Any] = [
        f"it printed {RANDOM}",
        f'API_KEY="{RANDOM}"',
        f"\\n{RANDOM}\\n",
        f"x{RANDOM}",
    ]
    shown = "[REDACTED:assigned-secret]"
    assert left(texts) == [
        f"it printed {shown}",
        f'API_KEY="{shown}"',
        f"\\n{shown}\\n",
        f"x{RANDOM}",
    ]


def test_a_short_password_is_replaced_in_its_place_only(left: Left) -> None:
    text = "postgres://postgres:postgres@host has a user postgres"
    shown = "postgres://postgres:[REDACTED:url-password]@host has a user postgres"
    assert left(text) == shown


def test_the_same_secret_has_the_same_stand_in_whatever_found_it(left: Left) -> None:
    texts: list[Any] = [TOKEN, f"token = '{TOKEN}'", f"Bearer {TOKEN}", {"api_key": TOKEN}]
    assert left(texts) == json.loads(json.dumps(texts).replace(TOKEN, SHOWN))


# -- what is left alone --------------------------------------------------------------------------


def test_ids_that_link_messages_are_left_alone() -> None:
    own = parse_patterns(["number = [0-9]{3}"])
    linked: dict[str, Any] = {
        "messages": [
            {"id": "m-123", "role": "assistant", "parentUuid": "123", "run_id": "r-123"}
            | {"content": "", "tool_calls": [{"id": "c-123", "function": {"name": "f"}}]},
            {"role": "tool", "tool_call_id": "c-123", "content": "123"},
        ],
        "runs": [{"run_id": "r-123", "parent_run_id": "r-123"}],
        "forked_from": {"session_id": "s-123", "message_id": "m-123"},
        "source": {"session_id": "s-123", "imported": {"m-123": "123abc"}},
    }
    redacted = redact(session(**linked), patterns=own)
    assert [one.where for one in redacted.findings] == ["messages[1].content"]
    assert redacted.session.source == linked["source"]
    assert redacted.session.messages[0] == linked["messages"][0]


def test_no_hash_is_left_by_which_a_guess_at_a_secret_could_be_confirmed() -> None:
    said = [{"id": "a", **messages(TOKEN)[0]}, {"id": "b", **messages("hello")[0]}]
    source = {"program": "p", "imported": {"a": "0123456789abcdef", "b": "fedcba9876543210"}}
    redacted = redact(session(messages=said, source=source)).session
    assert redacted.source == {"program": "p", "imported": {"b": "fedcba9876543210"}}
    assert source["imported"] == {"a": "0123456789abcdef", "b": "fedcba9876543210"}


def test_an_id_of_words_is_read_like_any_text(left: Left) -> None:
    assert left({"user_id": f"has {TOKEN}"}) == {"user_id": f"has {SHOWN}"}


@pytest.mark.parametrize("key", ["signature", "thoughtSignature", "encrypted_content"])
def test_what_a_program_checks_is_left_alone(left: Left, key: str) -> None:
    sealed = base64.b64encode(f" {TOKEN} ".encode()).decode() + TOKEN
    assert left({key: sealed}) == {key: sealed}
    assert left({key: f"def f(): return '{TOKEN}'"}) == {key: f"def f(): return '{SHOWN}'"}


def test_sealed_reasoning_and_pictures_are_left_alone(left: Left) -> None:
    own = parse_patterns(["a = A{8}"])
    picture = "A" * 400
    kept: list[Any] = [
        {"type": "redacted_thinking", "data": "A" * 20},
        {"type": "base64", "media_type": "image/png", "data": "A" * 20},
        {"url": f"data:image/png;base64,{picture}=="},
        f"iVBORw0KGgo{picture}",
    ]
    assert left(kept, own) == kept
    for read in (picture, f"iVBORw0KGgo{picture} and words", f"data:;base64,{picture} and words"):
        assert "[REDACTED:a]" in str(left(read, own))


def test_roles_and_types_are_left_alone() -> None:
    own = parse_patterns(["word = user|text"])
    given = messages([{"type": "text", "text": "the user"}])
    (message,) = redact(session(messages=given), patterns=own).session.messages
    assert message["role"] == "user"
    assert message["content"] == [{"type": "text", "text": "the [REDACTED:word]"}]


# -- JSON inside a text --------------------------------------------------------------------------


def test_arguments_of_a_call_stay_json_and_are_spelled_as_before(left: Left) -> None:
    text = f'{{ "n": 1.50, "cmd":"export A=\\"{TOKEN}\\"\\n{TOKEN}", "u": "\\u00e9" }}'
    assert left(text) == text.replace(TOKEN, SHOWN)
    assert json.loads(str(left(text)))["cmd"] == f'export A="{SHOWN}"\n{SHOWN}'


def test_json_in_json_stays_json(left: Left) -> None:
    inner = json.dumps({"file": f'token = "{RANDOM}"\n{PEM}\n', "n": 1})
    shown = json.loads(json.loads(str(left(json.dumps({"text": inner}))))["text"])
    assert shown == {
        "file": 'token = "[REDACTED:assigned-secret]"\n[REDACTED:private-key]\n',
        "n": 1,
    }


@pytest.mark.parametrize(
    ("regex", "text", "shown"),
    [
        (
            "own = pin.*",
            '{"pin": 1234, "b": "x"}',
            '{"pin": "[REDACTED:own]", "b": "[REDACTED:own]"}',
        ),
        ("own = [0-9]{4}", "[12345, 1234]", '["[REDACTED:own]", "[REDACTED:own]"]'),
        ("own = [0-9]", "[12345]", '["[REDACTED:own]"]'),
        ("own = nab", r'["\nab"]', r'["\n[REDACTED:own]"]'),
        ("own = 0041b", r'["a\u0041b"]', '["a[REDACTED:own]"]'),
        ("own = a.u", r'["xa\u0041b"]', '["x[REDACTED:own]b"]'),
        (r"own = \\", r'["a\\\nb"]', '["a[REDACTED:own][REDACTED:own]b"]'),
        ("own = secret", '{"the secret key": "secret"}', None),
    ],
)
def test_a_pattern_that_knows_nothing_of_json_leaves_json(
    left: Left, regex: str, text: str, shown: str | None
) -> None:
    wanted = text.replace("secret", "[REDACTED:own]") if shown is None else shown
    assert left(text, parse_patterns([regex])) == wanted
    json.loads(wanted)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
REGEXES = [r"a = \w{2}", r"b = .{3}", "c = [^a]", r"d = \d+", r"e = \\.", 'f = ".*"', r"g = \W+"]


@given(JSON, st.sampled_from(REGEXES), st.booleans())
def test_whatever_a_pattern_takes_json_stays_json(value: Any, regex: str, ascii_only: bool) -> None:
    text = json.dumps([value], ensure_ascii=ascii_only)
    own = parse_patterns([regex])
    shown = redact(session(state={"said": text}), patterns=own).session.state["said"]
    read = json.loads(str(shown))
    assert isinstance(read, list)
    assert len(read) == 1
    assert type(read[0]) in (type(value), str)


# -- twice ---------------------------------------------------------------------------------------

PARTS = [
    *(token for tokens in TOKENS.values() for token in tokens),
    *(f"token = '{RANDOM}", f"Bearer {RANDOM}", "redis://:s3same@host", "password: ", "://a:"),
    *("[REDACTED:jwt]", "[REDACTED:", "]", '"', "'", "\\", "\n", " ", "=", ":", "@", "-", ".", "{"),
]
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=8).map("".join)


@given(st.lists(TEXTS, max_size=4))
def test_redacting_twice_changes_nothing(texts: list[str]) -> None:
    once = redact(session(messages=messages(*texts))).session
    twice = redact(once)
    assert twice.findings == ()
    assert twice.session == once


@pytest.mark.parametrize("regex", [r"own = \w+", "own = .+", "own = REDACTED", r"own = [\[\]:]"])
def test_a_stand_in_is_never_replaced(regex: str) -> None:
    own = parse_patterns([regex])
    once = redact(session(title=f"some words {SHOWN} and more of them"), patterns=own).session
    assert SHOWN in str(once.title)
    assert redact(once, patterns=own).findings == ()


# -- what comes back -----------------------------------------------------------------------------


def test_the_given_session_stays_as_it_was() -> None:
    given_session = session(
        title=TOKEN, messages=messages([{"text": TOKEN}]), state={TOKEN: [TOKEN]}
    )
    before = encode(given_session)
    made = redact(given_session).session
    made.messages[0]["role"] = "changed"
    made.state["new"] = 1
    assert encode(given_session) == before


def test_without_a_secret_the_file_is_the_same_to_the_byte() -> None:
    data = b"""{
  "created_at": "2026-01-01T01:00:00+01:00", "first": [1e2, "\\u00e9"],
  "messages": [{"role": "user", "content": "hello", "later": null}],
  "state": {"n": 12345678901234567890123}, "last": {}
}"""
    given_session = decode(data, "s")
    redacted = redact(given_session)
    assert redacted.findings == ()
    assert redacted.session == given_session
    assert encode(redacted.session) == encode(given_session)


def test_the_copy_does_not_carry_the_bytes_of_the_file() -> None:
    given_session = decode(encode(session(title=TOKEN)), "s")
    made = redact(given_session).session
    assert TOKEN.encode() not in (original_bytes(made) or b"")
    assert original_bytes(made) == encode(made)


def test_a_session_of_a_newer_format_is_redacted_too() -> None:
    newer = encode(session(title=TOKEN)).replace(b"localsessions/1", b"localsessions/9")
    made = redact(decode(newer, "s")).session
    assert (made.format, made.title) == ("localsessions/9", SHOWN)
    assert original_bytes(made) is None


@pytest.mark.parametrize("kind", ["json", "jsonl", "markdown"])
def test_no_export_holds_the_secret(kind: ExportKind) -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": json.dumps({"a": TOKEN})}}
    said: list[dict[str, Any]] = [
        {"role": "user", "content": f"use {TOKEN}"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": TOKEN},
    ]
    given_session = session(messages=said, source={"file": TOKEN})
    assert TOKEN.encode() in export(given_session, kind)
    data = export(redact(given_session).session, kind)
    assert TOKEN.encode() not in data
    assert data.count(SHOWN.encode()) >= 3


@given(JSON)
def test_no_content_makes_it_raise(value: Any) -> None:
    given_session = session(state={"said": value}, messages=messages(value))
    made = redact(given_session)
    if not made.findings:
        assert made.session == given_session


def test_lone_surrogates_and_nul_are_kept(left: Left) -> None:
    assert left(f"\ud800\0 {TOKEN} \udfff") == f"\ud800\0 {SHOWN} \udfff"


def test_patterns_can_be_chosen(left: Left) -> None:
    chosen = [pattern for pattern in PATTERNS if pattern.kind == "jwt"]
    assert left(TOKEN, chosen) == TOKEN
