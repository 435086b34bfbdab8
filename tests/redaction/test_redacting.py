"""A whole session: what is read, what is left alone, and what comes back."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localsessions import ConflictError, Session, SessionStore
from localsessions.format import decode, encode, original_bytes
from localsessions.redaction import PATTERNS, FoundSecret, parse_patterns, redact
from localsessions.redaction.patterns import LEVELS
from localsessions.transcripts import ExportKind, export

from .tokens import LETTERS, PEM, TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Left

TOKEN = TOKENS["github-token"][0]
SHOWN = "[REDACTED:github-token]"
RANDOM = LETTERS[:40]
OTHER = LETTERS[40:80]
AWS_SECRET = "wJalrXUt" + "nFEMI/K7MDENG/bPxRfiCYz8" + "Qp4Tn2Vs"


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


def test_findings_are_in_the_order_of_the_session() -> None:
    other = TOKENS["stripe-key"][0]
    given_session = session(
        title=TOKEN,
        messages=[{"id": TOKEN, **messages(f"{other} {TOKEN}")[0]}, *messages(other)],
        state={TOKEN: other},
    )
    found = redact(given_session).findings
    assert [(one.kind, one.where) for one in found] == [
        ("github-token", "title"),
        ("github-token", "messages[0].id"),
        ("stripe-key", "messages[0].content"),
        ("github-token", "messages[0].content"),
        ("stripe-key", "messages[1].content"),
        ("github-token", f"state.{SHOWN}"),
        ("stripe-key", f"state.{SHOWN}"),
    ]


def test_a_pattern_of_your_own_is_looked_for_in_keys(left: Left) -> None:
    own = parse_patterns(["person = alice"])
    value = {"alice": 1, "deep": [{"alice_s": {"alice": 2}}]}
    shown = json.loads(json.dumps(value).replace("alice", "[REDACTED:person]"))
    assert left(value, own) == shown
    assert left(json.dumps(value), own) == json.dumps(shown)


def test_no_key_of_the_format_is_renamed() -> None:
    own = parse_patterns(["word = [a-z_]+"])
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "1"}}
    given_session = session(
        messages=[
            {"id": "a", "role": "assistant", "content": [{"type": "text", "text": "1"}]}
            | {"tool_calls": [call], "run_id": "r", "created_at": "1"},
            {"role": "tool", "tool_call_id": "c", "name": "1", "content": "1"},
        ],
        runs=[{"run_id": "r", "agent_id": "1", "status": "1", "metrics": {}, "created_at": "1"}],
        agent_context={"current_agent": "1", "switches": [{"from": "1", "to": "1"}]},
        source={"program": "1", "session_id": "1", "file": "1", "imported": {}},
    )
    shown = redact(given_session, patterns=own).session
    for name in ("messages", "runs", "agent_context", "source"):
        assert keys_of(getattr(shown, name)) == keys_of(getattr(given_session, name))


def keys_of(value: Any) -> list[str]:
    if isinstance(value, list):
        return [key for item in value for key in keys_of(item)]
    if not isinstance(value, dict):
        return []
    return [*value, *keys_of([*value.values()])]


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


def password_twice(password: str) -> str:
    return f"postgres://bob:{password}@host and ({password}), x{password} {password}x"


@pytest.mark.parametrize(
    "password",
    [
        "correct.horse!battery.staple",
        "correct-horse+bat",
        "abcdefghij012345",
        "abcdefghij" * 20,
        "1a2b3c4d5e6f7g8h",
    ],
)
def test_a_secret_of_any_letters_is_replaced_in_its_other_places(left: Left, password: str) -> None:
    shown = "[REDACTED:url-password]"
    assert left(password_twice(password)) == (
        f"postgres://bob:{shown}@host and ({shown}), x{password} {password}x"
    )


@pytest.mark.parametrize(
    "password", ["abcdefghij01234", "abcdefghi" * 3, pytest.param("1a" * 20, id="two characters")]
)
def test_a_secret_that_may_be_a_common_word_is_replaced_in_its_place_only(
    left: Left, password: str
) -> None:
    text = password_twice(password)
    shown = text.replace(f":{password}@", ":[REDACTED:url-password]@")
    assert left(text) == shown


def test_a_long_or_spaced_secret_is_replaced_in_its_place_only(left: Left) -> None:
    own = parse_patterns([r"own = own:\s(?P<secret>.*)!"])
    for secret in (f"{LETTERS[:64]} {LETTERS[:64]}", f"{LETTERS * 6}"):
        texts: list[Any] = [f"own: {secret}!", f"and {secret}"]
        assert left(texts, own) == ["own: [REDACTED:own]!", f"and {secret}"]


@pytest.mark.parametrize("count", [2, 64, 65, 300])
def test_each_of_many_secrets_is_replaced_in_its_other_places(left: Left, count: int) -> None:
    secrets = [f"{number:03}{LETTERS[:30]}" for number in range(count)]
    texts: list[Any] = [f"api_key={secret}" for secret in secrets]
    again: list[Any] = [f"/{secret}/ {secret}9 {secret}" for secret in secrets]
    shown = "[REDACTED:assigned-secret]"
    assert left([*texts, *again]) == [
        *([f"api_key={shown}"] * count),
        *(f"/{shown}/ {secret}9 {shown}" for secret in secrets),
    ]


def test_the_longest_of_secrets_that_begin_alike_is_replaced(left: Left) -> None:
    long, short = f"{LETTERS[:20]}-{LETTERS[20:40]}", LETTERS[:20]
    texts: list[Any] = [f"api_key={long}", f"api_key={short}", f"{long}.{short}-{long}"]
    shown = "[REDACTED:assigned-secret]"
    assert left(texts) == [f"api_key={shown}", f"api_key={shown}", f"{shown}.{shown}-{shown}"]


def test_a_secret_that_is_seen_when_the_one_beside_it_is_replaced_is_found_at_once(
    left: Left,
) -> None:
    hidden = "YWxpY2U6czNzYW1lLTBwZW4+"
    assert left([f"it was {hidden}", f"Basic {hidden}{TOKEN}"]) == [
        "it was [REDACTED:basic-authorization]",
        f"Basic [REDACTED:basic-authorization]{SHOWN}",
    ]


def test_a_key_that_is_seen_when_another_item_of_its_list_is_replaced_is_found_at_once() -> None:
    lines = [PEM[:31], TOKENS["gitlab-token"][0] + "-----x", LETTERS[:64], PEM[-29:]]
    once = redact(session(state={"said": lines})).session
    key = "[REDACTED:private-key]"
    assert once.state["said"] == [key, "[REDACTED:gitlab-token]", key, key]
    assert redact(once).findings == ()


def test_a_short_password_is_replaced_in_its_place_only(left: Left) -> None:
    text = "postgres://postgres:postgres@host has a user postgres"
    shown = "postgres://postgres:[REDACTED:url-password]@host has a user postgres"
    assert left(text) == shown


def test_the_same_secret_has_the_same_stand_in_whatever_found_it(left: Left) -> None:
    texts: list[Any] = [TOKEN, f"token = '{TOKEN}'", f"Bearer {TOKEN}", {"api_key": TOKEN}]
    assert left(texts) == json.loads(json.dumps(texts).replace(TOKEN, SHOWN))


@pytest.mark.parametrize("escape", ["\\uff1a", "\\u003c", "\\u0022", "\\u003d", "x\\/"])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_an_escape_before_a_secret_is_no_part_of_it(left: Left, escape: str, levels: int) -> None:
    text = f'{{"k":"{escape}{TOKEN}","n":[1.50,true]}}'
    for _ in range(levels - 1):
        text = json.dumps({"in": text})
    redacted = str(left(text))
    assert TOKEN not in redacted
    found = json.loads(redacted)
    for _ in range(levels - 1):
        found = json.loads(found["in"])
    assert found == {"k": json.loads(f'"{escape}{SHOWN}"'), "n": [1.5, True]}


@pytest.mark.parametrize("levels", [0, 1])
def test_an_escape_before_a_secret_in_a_line_of_json_is_no_part_of_it(
    left: Left, levels: int
) -> None:
    lines = ["some words", f'{{"k": "\\u5bc6{TOKEN}"}}', '{"b": "\\u5bc6\\/", "c": 1.50}']
    text = "\n".join(lines)
    for _ in range(levels):
        text = json.dumps({"inner": text})
    found = str(left(text))
    for _ in range(levels):
        found = json.loads(found)["inner"]
    first, changed, other = found.split("\n")
    assert (first, changed) == (lines[0], f'{{"k": "密{SHOWN}"}}')
    assert (other if levels == 0 else json.loads(other)) == (
        lines[2] if levels == 0 else json.loads(lines[2])
    )


def test_a_text_without_a_secret_keeps_its_escapes(left: Left) -> None:
    text = '{"k":"\\u5bc6\\/", "half": "\\ud800"}'
    assert left(text) == text
    with_one = f'{{"half": "\\ud800", "k": "\\/{TOKEN}"}}'
    assert left(with_one) == f'{{"half": "\\ud800", "k": "/{SHOWN}"}}'
    beside = f'{{"a": "\\u5bc6\\/", "k": "\\/{TOKEN}"}}'
    assert left(beside) == f'{{"a": "\\u5bc6\\/", "k": "/{SHOWN}"}}'


@pytest.mark.parametrize("kind", [["string", "null"], {"a": 1}, None, 1])
def test_a_type_that_is_no_text_is_read_past(left: Left, kind: Any) -> None:
    assert left({"type": kind, "data": TOKEN}) == {"type": kind, "data": SHOWN}


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


@pytest.mark.parametrize("key", ["deploy_id", "secret_id", "id", "type", "role", "runIds"])
def test_an_id_that_has_the_form_of_a_key_is_replaced(key: str) -> None:
    (message,) = redact(session(messages=[{"role": "user", key: TOKEN}])).session.messages
    assert message[key] == SHOWN
    assert redact(session(state={key: [TOKEN]})).session.state[key] == [SHOWN]


def test_a_secret_that_has_no_form_is_left_alone_as_an_id(left: Left) -> None:
    value = {"api_key": RANDOM, "deploy_id": RANDOM, "type": RANDOM}
    assert left(value) == value | {"api_key": "[REDACTED:assigned-secret]"}


def test_a_type_of_words_is_read_like_any_text(left: Left) -> None:
    own = parse_patterns(["person = alice"])
    value = {"type": "has alice"}
    assert left(value, own) == {"type": "has [REDACTED:person]"}


def test_the_hash_of_a_message_goes_whatever_of_it_was_replaced() -> None:
    said: list[dict[str, Any]] = [
        {"id": "a", "role": "user", "content": {TOKEN: 1}},
        {"id": "b", "role": "user", "content": {TOKEN: 1}},
        {"id": TOKEN, "role": "user", "content": ""},
        {"role": "user", "content": TOKEN},
        {"id": "c", "role": "user", "content": "hello"},
    ]
    hashed = {"a": "1", "b": "2", TOKEN: "3", "\x004\x000": "4", "c": "5", f"gone\0{TOKEN}": "6"}
    hashed |= {"b\x007\x000": "7"}
    redacted = redact(session(messages=said, source={"program": "p", "imported": hashed}))
    assert redacted.session.source == {"program": "p", "imported": {"c": "5"}}
    assert TOKEN.encode() not in encode(redacted.session)


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


def nested(text: str, levels: int) -> str:
    """Return a text as a string in JSON, which is one in JSON again, so many times in all."""
    for _ in range(levels):
        text = json.dumps([text, 1])
    return text


def taken_out(text: Any, levels: int) -> Any:
    for _ in range(levels):
        text, one = json.loads(text)
        assert one == 1
    return text


ASSIGNED = "[REDACTED:assigned-secret]"


@pytest.mark.parametrize("levels", range(LEVELS))
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": RANDOM, "n": [1.5]}, {"password": ASSIGNED, "n": [1.5]}),
        ({"SecretAccessKey": AWS_SECRET}, {"SecretAccessKey": "[REDACTED:aws-secret-key]"}),
        ({"tokens": [RANDOM, OTHER]}, {"tokens": [ASSIGNED, ASSIGNED]}),
        ({"secrets": {"prod": RANDOM, "n": 1}}, {"secrets": {"prod": ASSIGNED, "n": 1}}),
        (PEM.split("\n"), ["[REDACTED:private-key]"] * 7),
        ({"cut": f"{PEM[:-29]}!"}, {"cut": "[REDACTED:private-key]\n!"}),
        ([{"n": 1, TOKEN: TOKEN}], [{"n": 1, SHOWN: SHOWN}]),
        ({TOKENS["github-token"][1]: 1, TOKEN: 2}, {SHOWN: 1, f"{SHOWN}~2": 2}),
    ],
)
def test_json_in_json_is_read_and_stays_json_at_each_level(
    left: Left, value: Any, shown: Any, levels: int
) -> None:
    text = left(nested(json.dumps(value, indent=2), levels))
    assert json.loads(taken_out(text, levels)) == shown


def test_deeper_than_the_bound_only_forms_are_known(left: Left) -> None:
    text = nested(json.dumps({"password": RANDOM, "a": TOKEN}), LEVELS)
    assert left(text) == text.replace(TOKEN, SHOWN)


@pytest.mark.parametrize("levels", range(LEVELS - 1))
def test_a_number_in_lines_of_json_becomes_a_string(left: Left, levels: int) -> None:
    own = parse_patterns(["pin = [0-9]{4}"])
    lines = '{"pin": 1234, "1234": "\\n1234"}\r\n[12345, 1.5 ]\n\n{1234\n1234: "x"'
    shown = (
        '{"pin": "[REDACTED:pin]", "[REDACTED:pin]": "\\n[REDACTED:pin]"}\r\n'
        '["[REDACTED:pin]", 1.5 ]\n\n{[REDACTED:pin]\n[REDACTED:pin]: "x"'
    )
    assert taken_out(left(nested(lines, levels), own), levels) == shown


def test_what_goes_on_over_lines_of_json_is_replaced_in_each(left: Left) -> None:
    lines = [json.dumps({"n": number, "t": line}) for number, line in enumerate(PEM.split("\n"))]
    key = "[REDACTED:private-key]"
    shown = [json.dumps({"n": number and key, "t": key}) for number in range(7)]
    assert left("\n".join(["a", *lines, "b"])) == "\n".join(["a", *shown, "b"])


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
        ("own = 0007b", r'["a\u0007b"]', '["a[REDACTED:own]"]'),
        ("own = a.u", r'["xa\u0007b"]', '["x[REDACTED:own]b"]'),
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


def test_keys_of_json_in_a_text_stay_apart(left: Left) -> None:
    other = TOKENS["github-token"][1]
    first = f'{{"{TOKEN}": 1, "{other} b": 2, "{other}": 3, "c": 4}}'
    text = f'[{first}, {{"{other}": 5, "{SHOWN}~3": 6}}]'
    shown = json.loads(str(left(text)))
    assert shown == [
        {SHOWN: 1, f"{SHOWN} b": 2, f"{SHOWN}~2": 3, "c": 4},
        {f"{SHOWN}~2": 5, f"{SHOWN}~3": 6},
    ]
    third = TOKENS["github-token"][2]
    taken = json.dumps({SHOWN: 1, TOKEN: 2, f"{SHOWN}~2": 3, third: 4})
    numbered = {SHOWN: 1, f"{SHOWN}~3": 2, f"{SHOWN}~2": 3, f"{SHOWN}~4": 4}
    assert json.loads(str(left(taken))) == numbered


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
REGEXES = [r"a = \w{2}", r"b = .{3}", "c = [^a]", r"d = \d+", r"e = \\.", 'f = ".*"', r"g = \W+"]


@given(JSON, st.sampled_from(REGEXES), st.booleans(), st.integers(0, 3), st.integers(1, 2))
def test_whatever_a_pattern_takes_json_stays_json(
    value: Any, regex: str, ascii_only: bool, levels: int, lines: int
) -> None:
    text = "\n".join([json.dumps([value], ensure_ascii=ascii_only)] * lines)
    for _ in range(levels):
        text = json.dumps([text], ensure_ascii=ascii_only)
    shown: Any = redact(session(title=text), patterns=parse_patterns([regex])).session.title
    for _ in range(levels):
        (shown,) = json.loads(shown)
    every = [json.loads(line) for line in shown.split("\n")]
    assert [len(read) for read in every] == [1] * lines
    assert all(type(read) in (type(value), str) for (read,) in every)


# -- twice ---------------------------------------------------------------------------------------

PARTS = [
    *(token for tokens in TOKENS.values() for token in tokens),
    *("AccountKey=", f"AccountKey={LETTERS[:86]}==", f"{TOKENS['stripe-key'][2]}=", "whsec_"),
    *(f"aws_secret_access_key={AWS_SECRET}", f"secret_key={AWS_SECRET[:38]}5m", "AKIA", "\x1b[32m"),
    *(f"Authorization: {RANDOM}", "Basic YWxpY2U6czNzYW1lLTBwZW4", "hooks.slack.com/services/"),
    *(f"token = '{RANDOM}", f"Bearer {RANDOM}", "redis://:s3same@host", "password: ", "://a:"),
    *('"tokens": ["', f'"{RANDOM}', '"]', PEM[:32], PEM[32:97], PEM[-29:], "-----"),
    *("[REDACTED:jwt]", "[REDACTED:", "]", '"', "'", "\\", "\n", " ", "=", ":", "@", "-", ".", "{"),
]
TEXTS = st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=8).map("".join)


@given(st.lists(TEXTS, max_size=4), st.booleans())
def test_redacting_twice_changes_nothing(texts: list[str], in_one_list: bool) -> None:
    once = redact(session(messages=messages(*([texts] if in_one_list else texts)))).session
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


def test_without_a_secret_a_file_of_a_store_is_the_same_to_the_byte(tmp_path: Path) -> None:
    with SessionStore(tmp_path) as store:
        store.save(session(title="T", messages=messages("hello"), state={"n": [1e2, 2**70]}))
        redacted = redact(store.load("s"))
    assert redacted.findings == ()
    assert encode(redacted.session) == (tmp_path / "s.json").read_bytes()


def test_without_a_secret_an_edited_file_keeps_every_value() -> None:
    data = b"""{
  "created_at": "2026-01-01T01:00:00+01:00", "first": [1e2, "\\u00e9"],
  "messages": [{"role": "user", "content": "hello", "later": null}],
  "state": {"n": 12345678901234567890123}, "last": {}
}"""
    given_session = decode(data, "s")
    redacted = redact(given_session)
    assert redacted.findings == ()
    assert redacted.session == given_session
    assert decode(encode(redacted.session), "s") == given_session


def test_the_copy_does_not_carry_the_bytes_of_the_file() -> None:
    given_session = decode(encode(session(title=TOKEN)), "s")
    assert original_bytes(redact(given_session).session) is None


@pytest.mark.parametrize("title", [TOKEN, "no secret"])
@pytest.mark.parametrize("on_conflict", ["raise", "merge"])
def test_the_copy_is_not_saved_over_the_session(
    tmp_path: Path, title: str, on_conflict: Literal["raise", "merge"]
) -> None:
    with SessionStore(tmp_path) as store:
        store.save(session(title=title, messages=messages("hello")))
        before = (tmp_path / "s.json").read_bytes()
        copy = redact(store.load("s")).session
        with pytest.raises(ConflictError, match="exists already"):
            store.save(copy, on_conflict=on_conflict)
        with pytest.raises(ExceptionGroup) as caught:
            store.save_many([copy], on_conflict=on_conflict)
    assert [type(error) for error in caught.value.exceptions] == [ConflictError]
    assert (tmp_path / "s.json").read_bytes() == before


@pytest.mark.parametrize("title", [TOKEN, "no secret"])
def test_the_copy_is_a_new_session_in_another_store(tmp_path: Path, title: str) -> None:
    with SessionStore(tmp_path / "a") as store, SessionStore(tmp_path / "b") as other:
        given_session = store.save(session(title=title, messages=messages("hello")))
        other.save(redact(store.load("s")).session)
        stored = other.load("s")
        assert stored.title == title.replace(TOKEN, SHOWN)
        assert stored.messages == given_session.messages
        assert stored.last_activity == given_session.last_activity
        other.delete("s")
        other.create_many([redact(store.load("s")).session])
        assert other.load("s").messages == given_session.messages


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
