"""What a secret looks like: a table of patterns, each written after its issuer's documentation.

A pattern of the table is tried only where one of its ``anchors`` stands, and its expression begins
there. All its repeats are bounded or possessive, so that a trial that fails never goes back over
what it has read: the time grows with the text, whatever the text is.

To add one, write a line of the table with the link to what documents the format, and a row in
``tests/redaction/test_patterns.py`` with what is found and what is not.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from localsessions.redaction.randomness import is_placeholder, looks_random, varies

__all__ = ["ASSIGNED", "AWS", "BEGIN", "END", "LEVELS", "PATTERNS", "PLACED", "TOKENS", "Pattern"]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One kind of secret, and how it is found.

    Attributes:
        kind: What the stand-in calls it: lower-case letters, digits and ``-``.
        expression: Matches the secret. If it has a group named ``secret``, only that group is the
            secret.
        anchors: Texts with which the expression begins, none of them empty. Without them, the
            expression is searched line by line; that is how a person's own patterns are.
        accepts: Tells whether what was found is a secret; None takes all that is found. Of several
            secrets, each has to be accepted.
        key: Matches the key of a JSON object whose whole value is a secret, or is a list or an
            object in which each text is one.
        value: Matches all of such a value, with a group named ``secret``.
        each: Matches each of several secrets in what was found; None if it is one.

    Raises:
        ValueError: An anchor is empty: it would stand everywhere.
    """

    kind: str
    expression: re.Pattern[str]
    anchors: tuple[str, ...] = ()
    accepts: Callable[[str], bool] | None = None
    key: re.Pattern[str] | None = None
    value: re.Pattern[str] | None = None
    each: re.Pattern[str] | None = None

    def __post_init__(self) -> None:
        if "" in self.anchors:
            raise ValueError(f"an anchor of the pattern {self.kind!r} is empty")


# A token begins after anything but a letter or digit. In JSON and in code a newline before it is
# written as \n, and a colour of the terminal ends with a letter: "[32m" or ";5m", as another token
# may end with "5m".
BEGIN = (
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrtbf])|(?<=m)(?:(?<=\[m)|(?<=\[[0-9]m)|(?<=\[[0-9]{2}m)"
    r"|(?<=;[0-9]m)|(?<=;[0-9]{2}m)|(?<=;[0-9]{3}m)))"
)

# No token ends before a letter or digit: what begins there would be a token only after the first
# is replaced, and redacting twice would find it. After the padding of base64 a token has ended.
END = r"(?![A-Za-z0-9])"
# As above, where "-" may be a part of the token; it may also begin a private key.
_END_OF_WORD = r"(?![A-Za-z0-9_]|-(?!----))"


LEVELS = 8
"""How many texts of JSON, one inside the other, are read."""

# A quote, and a newline or tab, as they stand in the outermost of so many texts: each level writes
# a backslash before each backslash and quote, and so doubles their length.
_LONGEST = 2 ** (LEVELS - 1)
_QUOTE = rf"\\{{0,{_LONGEST - 1}}}+[\"']"
_QUOTES = rf"[\"'`\\]{{0,{_LONGEST}}}+"
_BREAK = rf"\\{{1,{_LONGEST}}}+[nrt]"


def _token(
    kind: str,
    anchors: str,
    expression: str,
    accepts: Callable[[str], bool] | None = varies,
) -> Pattern:
    return Pattern(kind, re.compile(BEGIN + expression + END), tuple(anchors.split()), accepts)


# -- what is accepted ----------------------------------------------------------------------------


def _has_many_digits(text: str) -> bool:
    return varies(text) and sum(map(str.isdigit, text)) >= 8


def _is_mixed(text: str) -> bool:
    """40 characters of base64 that are not a hash: those have no capital letters."""
    return varies(text, letters=14) and text.lower() != text != text.upper()


def _is_jwt(text: str) -> bool:
    """Tell whether the first part is the header that RFC 7515 and RFC 7516 demand."""
    head = text.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and "alg" in header


_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]{24}")


def _has_key_line(text: str) -> bool:
    """Tell whether a block holds a key, and is not two markers in code that looks for keys."""
    return _KEY_LINE.search(text) is not None


def _is_basic(text: str) -> bool:
    """Tell whether a text is ``user:password`` in base64, see RFC 7617."""
    try:
        _name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return False
    return bool(colon) and password.isprintable() and not is_placeholder(password or "password")


def _is_no_placeholder(text: str) -> bool:
    return not is_placeholder(text)


# -- tokens that say by their beginning what they are ---------------------------------------------

TOKENS = (
    # https://docs.github.com/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats
    # ghs_ may hold a JWT: https://github.blog/changelog/2026-05-15-github-app-installation-tokens-per-request-override-header/
    _token(
        "github-token",
        "ghp_ gho_ ghu_ ghs_ ghr_",
        r"gh[pousr]_(?:[0-9]{1,12}_eyJ[A-Za-z0-9_-]++\.[A-Za-z0-9_-]++\.[A-Za-z0-9_-]++"
        r"|[A-Za-z0-9]{36,}+)",
    ),
    _token("github-token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59,}+"),
    # https://docs.gitlab.com/security/tokens/#token-prefixes
    _token(
        "gitlab-token",
        "glpat- gldt- glrt- glcbt- glptt- gloas- glsoat-",
        r"gl(?:pat|dt|rt|cbt|ptt|oas|soat)-[A-Za-z0-9_-]{20,}+(?:\.[0-9a-z]{2}\.[0-9a-z]{7,9}"
        + END
        + r")?+",
    ),
    # https://docs.slack.dev/authentication/tokens
    _token(
        "slack-token",
        "xox xapp-",
        r"(?:xox[a-z](?:\.xox[a-z])?+|xapp)-[A-Za-z0-9%-]{20,}+",
        _has_many_digits,
    ),
    # https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    Pattern(
        "slack-webhook",
        re.compile(
            r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_]{24,}+)"
        ),
        ("hooks.slack.com/",),
        varies,
    ),
    # https://docs.cloud.google.com/docs/authentication/api-keys
    _token("google-api-key", "AIza", r"AIza[A-Za-z0-9_-]{35}" + _END_OF_WORD),
    # https://developers.google.com/identity/protocols/oauth2
    _token("google-oauth-token", "GOCSPX- ya29.", r"(?:GOCSPX-|ya29\.)[A-Za-z0-9_-]{28,}+"),
    # https://docs.stripe.com/keys and https://docs.stripe.com/webhooks
    _token(
        "stripe-key",
        "sk_live_ rk_live_ sk_test_ rk_test_",
        r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}+",
    ),
    Pattern(
        "stripe-key",
        re.compile(BEGIN + r"whsec_[A-Za-z0-9+/]{24,}+={0,2}+"),
        ("whsec_",),
        varies,
    ),
    # https://docs.claude.com/en/api/overview#authentication
    _token("anthropic-key", "sk-", r"sk-ant-[a-z]{2,10}[0-9]{2}-[A-Za-z0-9_-]{32,}+"),
    # https://openrouter.ai/docs/api-reference/authentication
    _token("openrouter-key", "sk-", r"sk-or-v1-[0-9a-f]{40,}+"),
    # https://platform.openai.com/docs/api-reference/authentication
    _token(
        "openai-key",
        "sk-",
        r"sk-(?:(?:proj|svcacct|service|admin|None)-[A-Za-z0-9_-]{40,}+"
        r"|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20,}+)",
    ),
    # Many services write keys as OpenAI once did.
    _token("api-key", "sk-", r"sk-[A-Za-z0-9]{32,}+", looks_random),
    # https://console.groq.com/docs/quickstart and https://docs.x.ai/docs/overview
    _token("api-key", "gsk_ xai-", r"(?:gsk_|xai-)[A-Za-z0-9]{48,}+"),
    # https://docs.npmjs.com/about-access-tokens
    _token("npm-token", "npm_", r"npm_[A-Za-z0-9]{36,}+"),
    # https://pypi.org/help/#apitoken: a macaroon, whose first bytes are version and location
    _token("pypi-token", "pypi-", r"pypi-AgE[A-Za-z0-9_-]{60,}+"),
    # https://huggingface.co/docs/hub/security-tokens
    _token("huggingface-token", "hf_", r"hf_[A-Za-z0-9]{30,}+"),
    # https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys
    _token("sendgrid-key", "SG.", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}" + _END_OF_WORD),
    # https://docs.docker.com/security/access-tokens/
    _token("docker-token", "dckr_pat_", r"dckr_pat_[A-Za-z0-9_-]{24,}+"),
    # https://docs.digitalocean.com/reference/api/create-personal-access-token/
    _token("digitalocean-token", "dop_v1_", r"dop_v1_[0-9a-f]{64}"),
    # https://developer.hashicorp.com/vault/docs/concepts/tokens
    _token("vault-token", "hvs.", r"hvs\.[A-Za-z0-9_-]{24,}+"),
    # https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    Pattern(
        "azure-storage-key",
        re.compile(r"AccountKey=(?P<secret>[A-Za-z0-9+/]{86}==)"),
        ("AccountKey=",),
        varies,
    ),
    # RFC 7519: three parts, RFC 7516: five. The first is bounded: "-eyJ" may stand in a part again
    # and again, and each could be a beginning.
    _token(
        "jwt",
        "eyJ",
        r"eyJ[A-Za-z0-9_-]{8,1024}+\.[A-Za-z0-9_-]*+\.[A-Za-z0-9_-]{16,}+"
        r"(?:\.[A-Za-z0-9_-]++\.[A-Za-z0-9_-]++)?+",
        _is_jwt,
    ),
    # RFC 7468, and RFC 9580 for PGP. A block without its end goes as far as its lines do.
    Pattern(
        "private-key",
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?>(?:[^-]|-(?!----))*+-{5,6}END (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"|(?:(?:\s|" + _BREAK + r"){0,8}+[A-Za-z0-9+/=]{24,}+)*+)"
        ),
        ("-----BEGIN ",),
        _has_key_line,
    ),
)

# -- AWS -----------------------------------------------------------------------------------------
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html

_AWS_SECRET = r"(?P<secret>(?:[A-Za-z0-9+/]|\\/){40})(?![A-Za-z0-9+/=])"
_BETWEEN = _QUOTES + r"\s{0,8}(?:=>|:=|=|:)\s{0,8}" + _QUOTES

AWS = (
    _token("aws-access-key-id", "AKIA ASIA", r"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    Pattern(
        "aws-secret-key",
        re.compile(
            r"(?:AKIA|ASIA)[A-Z0-9]{16}(?:" + _QUOTE + r"){0,2}+"
            r"(?:[\s,;:|/]|" + _BREAK + r"){1,8}+" + _QUOTES + _AWS_SECRET
        ),
        ("AKIA", "ASIA"),
        _is_mixed,
    ),
    Pattern(
        "aws-secret-key",
        re.compile(r"(?i:secret_?access_?key|secret_?key)" + _BETWEEN + _AWS_SECRET),
        ("secret", "Secret", "SECRET"),
        _is_mixed,
        key=re.compile(r"(?i)secret_?access_?key\Z|aws_?secret_?key\Z"),
        value=re.compile(r"(?P<secret>[A-Za-z0-9+/]{40})"),
    ),
    Pattern(
        "aws-session-token",
        re.compile(
            r"(?i:token)" + _BETWEEN + r"(?P<secret>(?:IQoJ|FwoG|FQoG)[A-Za-z0-9+/]{80,}+={0,2}+)"
        ),
        ("token", "Token", "TOKEN"),
        varies,
        key=re.compile(r"(?i)session_?token\Z"),
        value=re.compile(r"(?P<secret>(?:IQoJ|FwoG|FQoG)[A-Za-z0-9+/]{80,}+={0,2}+)"),
    ),
)

# -- secrets that only their place gives away ------------------------------------------------------

PLACED = (
    # RFC 3986, section 3.2.1. Braces, brackets and $ begin what a program fills in.
    Pattern(
        "url-password",
        re.compile(
            r"(?<=[A-Za-z0-9])://[^\s/?#@:\"'<>\\`{}$\[\]()]{0,128}+:"
            r"(?P<secret>[^\s/?#@\"'<>\\`{}$\[\]()]{3,256}+)@(?=[A-Za-z0-9\[_-])"
        ),
        ("://",),
        _is_no_placeholder,
    ),
    # RFC 6750, section 2.1.
    Pattern(
        "bearer-token",
        re.compile(r"(?i:bearer)[ \t]{1,4}(?P<secret>[A-Za-z0-9._~+/-]{16,}+={0,2}+)"),
        ("Bearer ", "bearer ", "BEARER "),
        looks_random,
    ),
    # RFC 7617.
    Pattern(
        "basic-authorization",
        re.compile(r"(?i:basic)[ ]{1,4}(?P<secret>[A-Za-z0-9+/]{8,}+={0,2}+)"),
        ("Basic ", "basic "),
        _is_basic,
    ),
    # RFC 9110, section 11.6.2, with any scheme or none.
    Pattern(
        "authorization",
        re.compile(
            r"(?i:authorization)" + _BETWEEN + r"(?:[A-Za-z]{1,12} {1,4})?+"
            r"(?P<secret>[A-Za-z0-9._~+/=-]{16,512}+)(?![A-Za-z0-9._~+/=(-])"
        ),
        ("authorization", "Authorization", "AUTHORIZATION"),
        looks_random,
        key=re.compile(r"(?i)\A(?:proxy-)?authorization\Z"),
        value=re.compile(r"(?:[A-Za-z]{1,12} {1,4})?+(?P<secret>[A-Za-z0-9._~+/=-]{16,512}+)"),
    ),
)

_NAME = (
    r"(?:secret(?:[_-]?(?:access[_-]?)?key)?|token|password|passwd|passphrase|api[ _-]?key"
    r"|access[_-]?key|auth[_-]?key|private[_-]?key|encryption[_-]?key|signing[_-]?key|credential)s?"
)
_LETTERS = r"[A-Za-z0-9_+/=.~!@#%^*-]{16,512}+"
_VALUE = r"(?P<secret>" + _LETTERS + r")"
_NAMED = (
    r"(?i:" + _NAME + r")" + _QUOTES + r"\s{0,8}"
    r"(?:=>|:=|=|:(?:\s?[A-Za-z_][A-Za-z_.|\[\]]{0,30} {0,2}=)?)\s{0,8}"
)

# Several under one name: a list or an object that holds no other, and no text but secrets. A trial
# reads no further than the next bracket, so no other name is followed by what it reads.
_GAP = r"(?:\s|" + _BREAK + r")*+"
_KEY = rf"(?:{_QUOTE})?+[^\"'\\\[\]{{}},:=]{{1,64}}+(?:{_QUOTE})?+{_GAP}[:=]{_GAP}"
_ITEM = rf"(?:{_KEY})?+(?:{_QUOTE}(?:{_LETTERS})?+{_QUOTE}|[A-Za-z0-9+.-]{{1,64}}+)"
_ITEMS = rf"[\[{{](?P<secret>(?:{_GAP}{_ITEM}{_GAP},?+)++{_GAP})[\]}}]"


def _spelled(*words: str) -> tuple[str, ...]:
    return tuple(way for word in words for way in (word, word.capitalize(), word.upper()))


_NAMES = (
    *_spelled("secret", "token", "password", "passwd", "passphrase", "credential"),
    *("api_key", "apikey", "api-key", "apiKey", "ApiKey", "APIKey", "API_KEY", "APIKEY"),
    *("API-Key", "Api-Key", "API key", "api key", "API Key"),
    *("access_key", "accessKey", "AccessKey", "ACCESS_KEY"),
    *("auth_key", "authKey", "AUTH_KEY", "private_key", "privateKey", "PRIVATE_KEY"),
    *("encryption_key", "encryptionKey", "ENCRYPTION_KEY"),
    *("signing_key", "signingKey", "SIGNING_KEY"),
)

ASSIGNED = (
    Pattern(
        "assigned-secret",
        re.compile(_NAMED + _QUOTES + _VALUE + r"(?![A-Za-z0-9_+/=.~!@#%^*(\[{$-])"),
        _NAMES,
        looks_random,
        key=re.compile(r"(?i)" + _NAME + r"\Z"),
        value=re.compile(_VALUE),
    ),
    Pattern(
        "assigned-secret",
        re.compile(_NAMED + _ITEMS),
        _NAMES,
        looks_random,
        each=re.compile(rf"(?<=[\"']){_LETTERS}(?={_QUOTE}(?!{_GAP}[:=]))"),
    ),
    Pattern(
        "assigned-secret",
        re.compile(
            r"--(?:token|api-key|password|secret) {1,4}" + _QUOTES + _VALUE + r"(?![(\[{$])"
        ),
        ("--token ", "--api-key ", "--password ", "--secret "),
        looks_random,
    ),
)

PATTERNS: tuple[Pattern, ...] = (*TOKENS, *AWS, *PLACED, *ASSIGNED)
"""The patterns that ``redact`` takes; where two find the same, the first names it."""
