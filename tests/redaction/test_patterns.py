"""What is found of each kind of secret, and what only looks like one."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import JsonValue

from localsessions import Session
from localsessions.redaction import PATTERNS, Pattern, redact
from localsessions.transcripts import read_transcript

from .tokens import LETTERS, PEM, TOKENS, jwt

if TYPE_CHECKING:
    from .conftest import Left

ROOT = Path(__file__).parents[2]
RANDOM = LETTERS[:40]
OTHER = LETTERS[40:80]
CHANCE = random.Random(7)
GITHUB = TOKENS["github-token"][0]

EACH = [(kind, token) for kind, tokens in TOKENS.items() for token in tokens]


@pytest.mark.parametrize(("kind", "token"), EACH)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "see {} there",
        'x = "{}"',
        "({})",
        "`{}`",
        "a={}&b=1",
        "line\\n{}\\nline",
        "\x1b[32m{}",
        "${X:-{}}",
    ],
)
def test_a_token_is_found_by_its_form_wherever_it_stands(
    left: Left, kind: str, token: str, around: str
) -> None:
    assert left(around.replace("{}", token)) == around.replace("{}", f"[REDACTED:{kind}]")


@pytest.mark.parametrize(("kind", "token"), EACH)
def test_a_token_inside_a_longer_word_is_none(left: Left, kind: str, token: str) -> None:
    if kind != "private-key" and ".xox" not in token:
        assert f"[REDACTED:{kind}]" not in str(left(f"x{token}"))


def test_every_kind_of_the_table_has_a_row_here() -> None:
    placed = {kind for kind, _, _ in PLACED}
    assert {pattern.kind for pattern in PATTERNS} == TOKENS.keys() | placed


AWS = "AK" + "IAQ3EGWN5TBZ7RL2XD"
AWS_SECRET = "wJalrXUt" + "nFEMI/K7MDENG/bPxRfiCYz8" + "Qp4Tn2Vs"
AWS_SESSION = "IQoJ" + LETTERS * 2 + "=="
BASIC = base64.b64encode(b"alice:s3same-0pen").decode()

PLACED = [
    ("aws-secret-key", f"aws_secret_access_key = {AWS_SECRET}", AWS_SECRET),
    ("aws-secret-key", f'export AWS_SECRET_ACCESS_KEY="{AWS_SECRET}"', AWS_SECRET),
    ("aws-secret-key", f'"SecretAccessKey": "{AWS_SECRET}",', AWS_SECRET),
    ("aws-secret-key", f"secretAccessKey: '{AWS_SECRET}'", AWS_SECRET),
    ("aws-session-token", f"AWS_SESSION_TOKEN={AWS_SESSION}", AWS_SESSION),
    ("azure-storage-key", f"AccountName=a;AccountKey={LETTERS[:86]}==;E=x", f"{LETTERS[:86]}=="),
    (
        "slack-webhook",
        f"https://hooks.slack.com/services/T0123456/B0123456/{LETTERS[:24]}",
        f"T0123456/B0123456/{LETTERS[:24]}",
    ),
    ("url-password", "postgres://alice:s3same@db.example.org/x", "s3same"),
    ("url-password", "git clone https://x-access:0a1b2c@host.example/r.git", "0a1b2c"),
    ("url-password", "redis://:s3same@localhost:6379", "s3same"),
    ("url-password", "amqp://alice:p%40ss-w:rd@[::1]/", "p%40ss-w:rd"),
    ("bearer-token", f"Authorization: Bearer {RANDOM}", RANDOM),
    ("bearer-token", f"curl -H 'authorization: bearer {RANDOM}'", RANDOM),
    ("basic-authorization", f"Authorization: Basic {BASIC}", BASIC),
    ("authorization", f"Authorization: {RANDOM}", RANDOM),
    ("authorization", f"'Authorization': 'token {RANDOM}'", RANDOM),
    ("assigned-secret", f'api_key = "{RANDOM}"', RANDOM),
    ("assigned-secret", f"API_KEY={RANDOM}", RANDOM),
    ("assigned-secret", f"apiKey: '{RANDOM}'", RANDOM),
    ("assigned-secret", f"x-api-key: {RANDOM}", RANDOM),
    ("assigned-secret", f'token: str = "{RANDOM}"', RANDOM),
    ("assigned-secret", f'client_secret := "{RANDOM}"', RANDOM),
    ("assigned-secret", f"clientSecret => '{RANDOM}'", RANDOM),
    ("assigned-secret", f'"password": "{RANDOM}"', RANDOM),
    ("assigned-secret", f'{{\\"auth_token\\": \\"{RANDOM}\\"}}', RANDOM),
    ("assigned-secret", f"//registry.example.org/:_authToken={RANDOM}", RANDOM),
    ("assigned-secret", f"run --api-key {RANDOM} --fast", RANDOM),
    ("assigned-secret", f"?token={RANDOM}&page=2", RANDOM),
]


@pytest.mark.parametrize(("kind", "text", "secret"), PLACED)
def test_a_secret_is_found_by_its_place(left: Left, kind: str, text: str, secret: str) -> None:
    assert left(text) == text.replace(secret, f"[REDACTED:{kind}]")


def test_the_secret_of_aws_is_found_beside_its_id(left: Left) -> None:
    shown = "[REDACTED:aws-access-key-id]{}[REDACTED:aws-secret-key]"
    for between in (",", " ", "\n", '", "', "\\n", " / "):
        assert left(f"{AWS}{between}{AWS_SECRET}") == shown.format(between)
    assert left([AWS, AWS_SECRET]) == shown.format(" ").split()


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("api_key", RANDOM, "assigned-secret"),
        ("OPENAI_API_KEY", RANDOM, "assigned-secret"),
        ("clientSecret", RANDOM, "assigned-secret"),
        ("SecretAccessKey", AWS_SECRET, "aws-secret-key"),
        ("aws_session_token", AWS_SESSION, "aws-session-token"),
        ("Authorization", RANDOM, "authorization"),
        ("aws_access_key_id", AWS, "aws-access-key-id"),
    ],
)
def test_a_secret_is_found_by_its_key(left: Left, key: str, value: str, kind: str) -> None:
    assert left({key: value}) == {key: f"[REDACTED:{kind}]"}


SEVERAL: list[JsonValue] = [
    {"token": [RANDOM]},
    {"API_KEYS": [RANDOM, "", OTHER]},
    {"tokens": {"prod": RANDOM, "staging": OTHER, "expires": 3600, "next": None}},
    {"secrets": {"prod": RANDOM}},
    {"Authorization": [f"token {RANDOM}"]},
]


@pytest.mark.parametrize("value", SEVERAL)
def test_secrets_in_a_list_or_an_object_are_found_by_its_key(left: Left, value: JsonValue) -> None:
    kind = "authorization" if "Authorization" in str(value) else "assigned-secret"
    shown = json.dumps(value).replace(RANDOM, f"[REDACTED:{kind}]")
    assert left(value) == json.loads(shown.replace(OTHER, f"[REDACTED:{kind}]"))


@pytest.mark.parametrize(
    "text",
    [
        *(json.dumps(value, indent=indent) for value in SEVERAL[:4] for indent in (None, 2)),
        f"see `tokens = ['{RANDOM}', '{OTHER}']` there",
        f'API_KEYS: list[str] = [\n    "{RANDOM}",\n    "{OTHER}",\n]',
        f'const secrets = {{prod: "{RANDOM}", "a b": "{OTHER}"}};',
    ],
)
def test_secrets_in_a_list_or_an_object_in_a_text_are_found_by_its_name(
    left: Left, text: str
) -> None:
    shown = "[REDACTED:assigned-secret]"
    assert left(text) == text.replace(RANDOM, shown).replace(OTHER, shown)


@pytest.mark.parametrize(
    "value",
    [
        {"tokens": ["hello", "world", "antidisestablishmentarianism"]},
        {"tokens": {"input": 16384, "cached": "123456789012345678"}},
        {"token": {"type": "a word of code", "value": RANDOM}},
        {"tokens": ["const", "digest", "=", RANDOM]},
        {"tokens": ["antidisestablishmentarianism", RANDOM]},
        {"js-tokens": ["js-tokens@4.0.0", "", {}, f"sha512-{LETTERS[:86]}=="]},
        {"js-tokens": {"version": "4.0.0", "integrity": f"sha512-{LETTERS[:86]}=="}},
        {"js-tokens": {"integrity": [f"sha512-{LETTERS[:86]}=="]}},
        {"tokens": [[RANDOM], {"a": {"b": RANDOM}}]},
        {"tokens": [], "secrets": {}, "digests": [RANDOM]},
        {"tokens": {RANDOM: 1}},
    ],
)
def test_a_list_or_an_object_with_any_other_text_stays(left: Left, value: JsonValue) -> None:
    assert left(value) == value
    for indent in (None, 2):
        text = json.dumps(value, indent=indent)
        assert left(text) == text


def test_the_scheme_before_an_authorization_is_kept(left: Left) -> None:
    assert left({"Authorization": f"token {RANDOM}"}) == {
        "Authorization": "token [REDACTED:authorization]"
    }


# -- private keys --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "block",
    [
        PEM,
        PEM.replace("\n", "\r\n"),
        PEM.replace("\n", "\\n"),
        PEM.replace("\n", "\n+"),
        PEM.replace("\n", "\n    12→"),
        PEM.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B\n\n", 1),
    ],
)
def test_a_private_key_goes_as_a_whole(left: Left, block: str) -> None:
    assert left(f"a {block} b") == "a [REDACTED:private-key] b"


def test_a_private_key_that_is_cut_goes_as_far_as_its_lines(left: Left) -> None:
    cut = PEM[: PEM.index("-----END")]
    assert left(f"{cut}\nand so on") == "[REDACTED:private-key]\n\nand so on"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_private_key_is_found_in_the_items_of_a_list(left: Left, end: str) -> None:
    lines: list[JsonValue] = [f"{line}{end}" for line in PEM.split("\n")]
    shown = "[REDACTED:private-key]"
    whole = [*[shown] * 6, shown + end]
    assert left(["a", *lines, {"b": LETTERS}, "c"]) == ["a", *whole, {"b": LETTERS}, "c"]
    cut = [*[shown] * 3, shown + end]
    assert left({"a": lines[:4], "b": lines[4:]}) == {"a": cut, "b": lines[4:]}


@pytest.mark.parametrize(
    "text",
    [
        "if '-----BEGIN PRIVATE " + "KEY-----' in text:",
        "grep -e '-----BEGIN RSA PRIVATE " + "KEY-----' and '-----END RSA PRIVATE KEY-----'",
        PEM.replace("PRIVATE", "PUBLIC"),
        PEM.replace("RSA PRIVATE " + "KEY", "CERTIFICATE"),
    ],
)
def test_what_only_speaks_of_keys_stays(left: Left, text: str) -> None:
    assert left(text) == text


# -- what is no secret ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "ghp_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "xoxb-your-bot-token-goes-here-please",
        "api_key = 'your-api-key-0123456789abcdef'",
        "API_KEY=phc_your_production_key",
        "password: FilterOrBool | None = None",
        "token = tokenizer.decode(ids[0], skip=True)",
        "token = getUserTokenFromSession2()",
        "secret: env.AUTH0_CLIENT_SECRET",
        "apiKey: this.config.apiKey2024Production",
        "token: claude-3-5-sonnet-20241022",
        "https://user:password@host.example/",
        "https://oauth2:${GITLAB_TOKEN}@host.example/",
        "https://user:{password}@host.example/",
        "http://host.example:8080/a@b",
        "mailto://a:b c@d",
        "Bearer $TOKEN_OF_2024_AND_LATER",
        "Bearer <token>",
        "basic functionality and basic streaming",
        "max_tokens: 16384, input_tokens: 123456789012345678",
        "task-0123456789abcdef0123456789abcdef01234567",
        "hf_hub_download_with_a_long_name_of_a_function",
        "eyJhIjoxfQ.eyJiIjoyfQ.AAAAAAAAAAAAAAAAAAAAAAAA",
        "pypi-AgE is how a token of PyPI begins",
    ],
)
def test_what_only_looks_like_a_secret_stays(left: Left, text: str) -> None:
    assert left(text) == text


def test_hashes_ids_and_data_in_base64_are_no_secrets(left: Left) -> None:
    lines = [
        *(hashlib.sha1(bytes([n])).hexdigest() for n in range(200)),
        *(f"sha256:{hashlib.sha256(bytes([n])).hexdigest()}" for n in range(200)),
        *(str(uuid.UUID(int=CHANCE.getrandbits(128))) for _ in range(200)),
        *(base64.b64encode(CHANCE.randbytes(200)).decode() for _ in range(200)),
    ]
    assert left("\n".join(lines)) == "\n".join(lines)
    assert left([{"sha": line} for line in lines]) == [{"sha": line} for line in lines]


def test_a_lock_file_holds_no_secrets(left: Left) -> None:
    def digest() -> str:
        return base64.b64encode(CHANCE.randbytes(64)).decode()

    packages = {
        f"node_modules/token-{n}": {
            "resolved": f"https://host.example/token/-/token-{n}.0.0.tgz",
            "integrity": f"sha512-{digest()}",
        }
        for n in range(300)
    }
    text = json.dumps({"lockfileVersion": 3, "packages": packages}, indent=2)
    assert left(text) == text


TRANSCRIPTS = sorted((ROOT / "examples" / "transcripts").rglob("*"))


def test_real_transcripts_hold_none_and_come_back_equal() -> None:
    found = [
        (path.name, one)
        for path in TRANSCRIPTS
        if path.is_file()
        for session in read_transcript(path).sessions
        for one in _findings(session)
    ]
    assert found == []


def _findings(session: Session) -> list[str]:
    redacted = redact(session)
    if not redacted.findings:
        assert redacted.session == session
    return [f"{one.kind} {one.where}" for one in redacted.findings]


def test_a_header_of_a_jwt_says_its_algorithm(left: Left) -> None:
    assert left(jwt(alg="none")) == "[REDACTED:jwt]"
    assert left(jwt(typ="other")) == jwt(typ="other")


def test_an_anchor_of_any_script_is_found(left: Left) -> None:
    own = Pattern("own", re.compile("Ärger-[0-9]+"), ("Ärger-",))
    assert left("viel Ärger-12", [own]) == "viel [REDACTED:own]"


def test_an_empty_anchor_is_refused() -> None:
    with pytest.raises(ValueError, match="an anchor of the pattern 'own' is empty"):
        Pattern("own", re.compile("a"), ("a", ""))


@pytest.mark.parametrize("password", ["\x01\x02\x03", "password", "your-password"])
def test_basic_without_a_password_that_a_person_may_have_stays(left: Left, password: str) -> None:
    text = f"Authorization: Basic {base64.b64encode(f'alice:{password}'.encode()).decode()}"
    assert "basic-authorization" not in str(left(text))


def test_a_colour_of_the_terminal_may_stand_before_a_token(left: Left) -> None:
    for colour in ("\x1b[m", "\x1b[1m", "\\u001b[38;5;208m", "\x1b[1;3m", "\x1b[1;32m"):
        assert left(f"{colour}{GITHUB}") == f"{colour}[REDACTED:github-token]"
    assert left(f"5m{GITHUB}") == f"5m{GITHUB}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            f"AccountKey={LETTERS[:86]}=={TOKENS['openai-key'][0]}",
            "AccountKey=[REDACTED:azure-storage-key][REDACTED:openai-key]",
        ),
        (
            f"{TOKENS['stripe-key'][2]}={TOKENS['stripe-key'][1]}",
            "[REDACTED:stripe-key][REDACTED:stripe-key]",
        ),
        (
            f"{TOKENS['stripe-key'][2]}AccountKey={GITHUB}",
            "[REDACTED:stripe-key][REDACTED:github-token]",
        ),
        (f"{TOKENS['stripe-key'][2]}=next", "[REDACTED:stripe-key]next"),
        (f"AccountKey={LETTERS[:86]}==next", "AccountKey=[REDACTED:azure-storage-key]next"),
        (f"{TOKENS['gitlab-token'][0]}.01.1a2b3c4d5e6", "[REDACTED:gitlab-token].01.1a2b3c4d5e6"),
    ],
)
def test_a_token_that_follows_another_is_found_at_once(left: Left, text: str, shown: str) -> None:
    assert left(text) == shown


def test_every_pattern_of_the_table_begins_with_its_anchor() -> None:
    kinds = [pattern.kind for pattern in PATTERNS if not pattern.anchors]
    assert kinds == []
    assert all(re.fullmatch("[a-z0-9-]+", pattern.kind) for pattern in PATTERNS)
