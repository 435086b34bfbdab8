"""How a text is cut into words for the search.

A word is a run of letters, digits and marks; everything else separates words. Case, Unicode form
and diacritics do not matter: ``Café`` is ``cafe``. Invisible signs, as a soft hyphen, are dropped.
In a script that writes no spaces between words, or words of a sign or two (Han, Kana, Hangul,
Thai and others), each sign is a word. So parts of such texts are found as phrases.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["BLANKS", "fold", "indexable", "is_sign", "normal", "traced"]

# Patterns are compiled when they are used: compiling takes longer than importing this module.
_SIGNS = (
    "[\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3040-\u30ff\u3100-\u312f\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\ua9e0-\ua9ff\uaa60-\uaa7f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_VOICED = "[\uff66-\uff9d][\uff9e\uff9f]"
_SHORT = 8
_NOT_ASCII = "[^\x00-\x7f]+"
BLANKS = (
    "[\u2010-\u2027\u2030-\u205e\u2190-\u245f\u2500-\u2775\u2794-\u2bff\u3001-\u3003\uff01-\uff0f]+"
)
"""Matches signs that separate words: dashes, quotes, arrows, mathematics, tables, pictures."""
# Diacritics of Latin, Greek and Cyrillic, and the points of Hebrew and Arabic, which are written
# or left out as people like. The marks of other scripts are vowels.
_DROPPED = "[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\ufe00-\ufe0f\U000e0100-\U000e01ef]"
# Letters that Unicode does not take apart.
_ALONE = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i"}
_ALL_ASCII = bytes(range(128))
_FIRST_MARK = "\u0300"
"""Before it are Latin letters. With those only marks are composed that are dropped."""


class _Letters(dict[int, str]):
    """The table for ``str.translate``; each code point is folded at its first use."""

    def __missing__(self, code: int) -> str:
        letters = [_folded(char) for char in unicodedata.normalize("NFKC", chr(code)).casefold()]
        self[code] = "".join(letters)
        return self[code]


def _folded(char: str) -> str:
    if char == "й":  # to its readers a letter, and no и with a diacritic
        return char
    apart = re.sub(_DROPPED, "", unicodedata.normalize("NFKD", char))
    whole = unicodedata.normalize("NFC", apart)
    return "".join(_spaced(_ALONE.get(letter, letter)) for letter in whole)


def _spaced(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    if category[0] not in "LNM":
        return " "
    return f" {char} " if is_sign(char) else char


_letters = _Letters()
# By bytes, which is quick: letters become small, what separates words a space.
_ASCII = bytes(
    byte if byte > 127 or chr(byte).isalnum() else 32 for byte in bytes(range(256)).lower()
)


def is_sign(word: str) -> bool:
    """Tell whether a word is a single sign of a script that does not part its words."""
    return re.match(_SIGNS, word) is not None


def fold(text: str) -> str:
    """Return the words of a text, folded, with a space between and around them."""
    words = indexable(text).encode().translate(_ASCII).split()
    return f" {b' '.join(words).decode()} "


def indexable(text: str) -> str:
    """Return a text for an index that splits at ASCII signs and folds ASCII letters itself.

    What is ASCII stays as it is, which is most of the texts of most people; so this is quick. So
    are dashes, quotes, arrows and lines of tables, and letters with accents.
    """
    if text.isascii():
        return text
    # Most of these texts have a few kinds of such signs. To replace those is quicker than a pattern
    # that looks at every letter.
    data = text.encode("utf-8", "surrogatepass").translate(None, _ALL_ASCII)
    for sign in {*data.decode("utf-8", "surrogatepass")}:
        if (folded := _folded_alone(sign)) is not None:
            text = text.replace(sign, folded)
    return text if text.isascii() else re.sub(_NOT_ASCII, _folded_run, text)


@lru_cache(maxsize=4096)
def _folded_alone(sign: str) -> str | None:
    """Return what a sign is folded to beside any other; None if that depends on what follows."""
    if re.match(BLANKS, sign):
        return " "
    is_alone = sign < _FIRST_MARK or unicodedata.category(sign)[0] in "SPZ"
    return _letters[ord(sign)] if is_alone else None


def _folded_run(run: re.Match[str]) -> str:
    found = run.group()
    return _folded_short(found) if len(found) < _SHORT else normal(found).translate(_letters)


@lru_cache(maxsize=4096)  # dashes, quotes and single signs come again and again
def _folded_short(run: str) -> str:
    return normal(run).translate(_letters)


def normal(text: str) -> str:
    """Compose pairs of code points: letters with accents, and voiced Kana of half width."""
    composed = unicodedata.normalize("NFC", text)
    return re.sub(_VOICED, lambda match: unicodedata.normalize("NFKC", match.group()), composed)


def traced(text: str) -> tuple[str, list[int]]:
    """Fold a text in normal form; return the result, and where each of its letters comes from."""
    letters, origin = [" "], [0]
    for index, char in enumerate(text):
        for letter in _letters[ord(char)]:
            if letter != " " or letters[-1] != " ":
                letters.append(letter)
                origin.append(index)
    if letters[-1] != " ":
        letters.append(" ")
        origin.append(max(len(text) - 1, 0))
    return "".join(letters), origin
