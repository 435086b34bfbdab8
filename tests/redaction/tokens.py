"""Texts that look like secrets and are none.

Each is put together from parts, so that no scanner of this repository takes it for one.
"""

from __future__ import annotations

import base64
import json

__all__ = ["LETTERS", "PEM", "TOKENS", "jwt"]

LETTERS = (
    "a7Kq9ZtB3xWm5RvC1yLp8NsD2uHj6GfE4oTi0QbVcXkJzMdYrPnSgUhAwFeIlO7q3W9e5R1t6Y2u8I0oPa4SdFgHj"
)


def jwt(**header: str) -> str:
    """Return a token in the form of RFC 7519 with that header."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part(header)}.{part({'sub': 'somebody', 'iat': 1})}.{LETTERS[:43]}"


def _pem(label: str) -> str:
    lines = "\n".join(LETTERS[number : number + 64] for number in range(5))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----"


PEM = _pem("RSA PRIVATE" + " KEY")

TOKENS: dict[str, list[str]] = {
    "aws-access-key-id": ["AK" + "IAQ3EGWN5TBZ7RL2XD", "AS" + "IAQ3EGWN5TBZ7RL2XD"],
    "github-token": [
        *(f"gh{letter}" + f"_{LETTERS[:36]}" for letter in "pousr"),
        "github" + f"_pat_{LETTERS[:22]}_{LETTERS[:59]}",
        "ghs" + f"_1234567_{jwt(alg='RS256')}",
    ],
    "gitlab-token": [
        "glp" + f"at-{LETTERS[:20]}",
        "glp" + f"at-{LETTERS[:27]}.01.1a2b3c4d5",
        "gld" + f"t-{LETTERS[:20]}",
        "glr" + f"t-{LETTERS[:20]}",
    ],
    "slack-token": [
        "xo" + f"xb-1234567890-1234567890123-{LETTERS[:24]}",
        "xo" + f"xe.xoxp-1-1234567890{LETTERS[:60]}",
        "xa" + f"pp-1-A0123456789-1234567890123-{LETTERS[:40]}",
    ],
    "google-api-key": ["AI" + f"za{LETTERS[:35]}"],
    "google-oauth-token": ["GOC" + f"SPX-{LETTERS[:28]}", "ya" + f"29.{LETTERS[:60]}"],
    "stripe-key": [
        "sk" + f"_live_{LETTERS[:24]}",
        "rk" + f"_test_{LETTERS[:24]}",
        "wh" + f"sec_{LETTERS[:32]}",
        "sk" + "_live_3j20d9as0d2j30d2",  # made up, in a real transcript of a code review
    ],
    "anthropic-key": ["sk-" + f"ant-api03-{LETTERS}-{LETTERS[:5]}"],
    "openrouter-key": ["sk-" + "or-v1-" + "0a1b2c3d4e5f6789" * 4],
    "openai-key": [
        "sk-" + f"proj-{LETTERS[:60]}",
        "sk-" + f"{LETTERS[:20]}T3Blbk" + f"FJ{LETTERS[20:40]}",
    ],
    "api-key": ["sk-" + f"{LETTERS[:40]}", "gs" + f"k_{LETTERS[:52]}", "xa" + f"i-{LETTERS[:80]}"],
    "npm-token": ["np" + f"m_{LETTERS[:36]}"],
    "pypi-token": ["py" + f"pi-AgEIcHlwaS5vcmc{LETTERS}"],
    "huggingface-token": ["h" + f"f_{LETTERS[:34]}"],
    "sendgrid-key": ["S" + f"G.{LETTERS[:22]}.{LETTERS[:43]}"],
    "docker-token": ["dckr" + f"_pat_{LETTERS[:27]}"],
    "digitalocean-token": ["dop" + "_v1_" + "0a1b2c3d4e5f6789" * 4],
    "vault-token": ["hv" + f"s.{LETTERS[:24]}"],
    "jwt": [
        jwt(alg="HS256", typ="JWT"),
        f"{jwt(alg='dir').partition('.')[0]}..{LETTERS[:16]}.{LETTERS}.{LETTERS[:22]}",
    ],
    "private-key": [PEM, _pem("OPENSSH PRIVATE" + " KEY"), _pem("PRIVATE" + " KEY")],
}
"""Of each kind, texts that are a secret wherever they stand."""
