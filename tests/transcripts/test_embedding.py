"""Texts in a Markdown page, judged by a CommonMark parser: none reaches out of its place."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from localsessions.models import Message, Session
from localsessions.transcripts import export
from localsessions.transcripts.embedding import code, embedded, inline, quoted

STRICT = MarkdownIt("commonmark")
WITH_TABLES = MarkdownIt("commonmark").enable(["table", "strikethrough"])

INDENTS = st.sampled_from(["", "", "", " ", "  ", "   ", "    ", "     ", "\t", " \t"])
MARKS = st.sampled_from(
    ["> ", ">", "- ", "-", "* ", "1. ", "2. ", "2) ", "10. ", "[^1]: ", "-    ", "1.\t", ">\t"]
)
FENCES = ["```", "```sh", "~~~", "````", "~~~~ x", "```a```", "``` ` ```"]
HTML = [
    "<!--",
    "<pre>",
    "<script>",
    "<style>",
    "<textarea>",
    "<details>",
    "<?",
    "<![CDATA[",
    "</p>",
]
HEADINGS = ["## 2. Assistant", "# 2. Assistant", "#", "---", "===", "-", "--"]
INLINE = ["`", "``", "`x`", "`<b>`", "` <b>", "<a`b>", "\\", "\\`", "\\<b>", "\\\\<i>", "[x]: <b>"]
OTHERS = ["", "word", '[x]: /u "', "**", "| a | b |", "|---|---|", ":--|", "<http://a`>", "&lt;"]
PIECES = st.sampled_from([*FENCES, *HTML, *HEADINGS, *INLINE, *OTHERS])
LINES = st.builds(
    lambda marks, indent, pieces, between: "".join(marks) + indent + between.join(pieces),
    st.lists(st.builds(lambda indent, mark: indent + mark, INDENTS, MARKS), max_size=3),
    INDENTS,
    st.lists(PIECES, max_size=3),
    st.sampled_from(["", " "]),
)
NASTY = st.lists(LINES | st.just(""), min_size=1, max_size=9).map("\n".join)
TEXTS = NASTY | st.text(st.sampled_from("`~<>!-#=|\\ \t\n\r1.)[]:*ab\0\x0b\u2028\xa0"), max_size=60)


def headings(page: str, parser: MarkdownIt) -> list[tuple[str, int]]:
    """Return the headings of the first two levels; refuse HTML, which hides what it likes."""
    tokens = parser.parse(page)
    inside = [child for token in tokens for child in token.children or []]
    assert [token for token in [*tokens, *inside] if token.type.startswith("html")] == []
    return [
        (following.content, token.level)
        for token, following in pairwise(tokens)
        if token.type == "heading_open" and token.tag in ("h1", "h2")
    ]


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=2), min_size=1, max_size=3), st.booleans())
@settings(max_examples=300)
@example([["```npm test``` fails, why?"], ["The answer."]], False)
@example([["1. ```sh\n   make\n   ```\n2. done", "    <b>"]], False)
@example([["- > ```\n  > <b>\n  > ```"]], False)
@example([["| `a | <b>` |\n|---|---|"]], False)
@example([["\t<b>"]], True)
def test_only_the_page_makes_its_headings(messages: list[list[str]], thought: bool) -> None:
    kinds = {"type": "thinking"} if thought else {"type": "text"}
    listed: list[Message] = [
        {"role": "user", "content": [{**kinds, "text": text, "thinking": text} for text in texts]}
        for texts in messages
    ]
    page = export(Session(session_id="s", title="T", messages=listed), "markdown").decode()
    expected = [("T", 0), *((f"{number}. User", 0) for number in range(1, len(messages) + 1))]
    assert headings(page, STRICT) == expected
    assert headings(page, WITH_TABLES) == expected


@given(TEXTS)
def test_every_word_stays_in_its_place(text: str) -> None:
    words = re.findall(r"\w+", text)
    for made in (embedded(text), quoted(text)):
        assert re.findall(r"\w+", made) in (words, ["markdown", *words])


@given(st.text(st.sampled_from("`~<>!-#\\ \n|ab"), max_size=30))
def test_a_text_inside_a_line_stays_there(text: str) -> None:
    assert len(headings(f"## {inline(text)} ¦", STRICT)) == 1
    line = STRICT.parse(f"¦ {code(text)} ¦")[1].children or []
    assert [child.type for child in line] == ["text", "code_inline", "text"]
    assert line[1].content.strip() == " ".join(text.split())


# What stays as it was


@pytest.mark.parametrize(
    "text",
    [
        "plain, with 1 < 2, a <- b, i <= j and <3",
        "```html\n<div>\n# no heading\n---\n```\nafter",
        "~~~ info `x`\n```\n<b>\n~~~",
        " ```\n <b>\n ```",
        "1. one\n\n   ```sh\n   make <target>\n   ```\n\n2. two",
        "1. ```sh\n   make <target>\n   ```\n2. two",
        "10. ten\n\n    ```\n    <b>\n\n      ```\n".rstrip() + "x\n    ```",
        "text\n\n    indented <code>\n\n\ttoo <code>\n\nafter",
        "> quoted\n> ```\n> <b>\n> ```\n>\n> > twice `<b>`",
        "- a\n  - b\n* * *\n+ c",
        "Leave the `<style>` and ``<a`b>`` blocks, \\<b> and \\\\.",
        "| a | b |\n|---|:-:|\n| 1 | `<b>` |",
        "line  \nbroken",
    ],
)
def test_ordinary_markdown_stays_as_it_is(text: str) -> None:
    assert embedded(text) == text


# What changes


@pytest.mark.parametrize(
    ("text", "made"),
    [
        # headings move down, those of a line below get a blank line
        ("# a\n## b\n### c ##\n##### d\n###### e", "### a\n#### b\n##### c ##\n###### d\n###### e"),
        ("- # a\n> ## b\n#hashtag", "- ### a\n> #### b\n#hashtag"),
        ("a\n===\nb\n---", "a\n\n===\nb\n\n---"),
        ("> a\n> ---", "> a\n>\n> ---"),
        ("- > a\n  > ---", "- > a\n  >\n  > ---"),
        ("1. - > a\n     > ---", "1. - > a\n     > \\---"),
        # HTML is shown
        ("<details>\n<summary>x</summary>", "\\<details>\n\\<summary>x\\</summary>"),
        ("<!-- <?a <![CDATA[ <https://a.b>", "\\<!-- \\<?a \\<![CDATA[ \\<https://a.b>"),
        ("\\\\<b> \\<b>", "\\\\\\<b> \\<b>"),
        # a backtick that its line does not close
        ("a ` b\n`<b>`", "a \\` b\n`<b>`"),
        ("`` a ` <b>", "\\`\\` a \\` \\<b>"),
        ("\\`` <b> `", "\\`\\` \\<b> \\`"),
        ("| `a | <b>` |\n|---|---|", "| \\`a | \\<b>\\` |\n|---|---|"),
        # an open fence is closed where it ends
        ("```py\n<b>", "```py\n<b>\n```"),
        ("~~~~\n```\n~~~", "~~~~\n```\n~~~\n~~~~"),
        ("> ```\n> cited <b>\n\nplain", "> ```\n> cited <b>\n> ```\n\nplain"),
        ("- ```\n  <b>\nafter <b>", "- ```\n  <b>\n  ```\nafter \\<b>"),
        ("1. one\n\n   ```\n   <b>", "1. one\n\n   ```\n   <b>\n   ```"),
        # a blank line makes it certain that this is code
        ("- a\n- ```\n  <b>\n  ```", "- a\n\n- ```\n  <b>\n  ```"),
        ("10. a\n    ```\n    <b>\n    ```", "10. a\n\n    ```\n    <b>\n    ```"),
        # an indented line may belong to a list before it
        ("- a\n\n      <b>", "- a\n\n      \\<b>"),
        ("- a\nlazy\n\n    <b>", "- a\nlazy\n\n    \\<b>"),
        ("    <b>", "    \\<b>"),
        ("> a\n>\n> \t<b>", "> a\n>\n> \t\\<b>"),
        ("\n\na\r\nb\rc\n", "a\nb\nc"),
    ],
)
def test_what_reaches_out_is_changed_and_no_more(text: str, made: str) -> None:
    assert embedded(text) == made


@pytest.mark.parametrize(
    "text",
    [
        "1. a\n   ```sh\nmake\n   ```",
        "- > ```\n  > <b>",
        "-\t```\n\t<b>\n\t```",
        "1. a\n\n   ```\n   <b>\n     ```",
        "- ```\n\t<b>",
        "a\n\n- ```\n  b\n  ```\n\n  ```\n<b>",
        "```|\n---\n<b>\n```",
        ">" * 30 + "a",
        "> ~~~\n> \t~~~",
    ],
)
def test_a_text_that_has_several_readings_is_shown_as_it_is(text: str) -> None:
    (block,) = STRICT.parse(embedded(text))
    assert (block.type, block.info, block.content) == ("fence", "markdown", f"{text}\n")
    assert quoted(text).startswith("> ```")


def test_a_quoted_thought_is_markdown_too() -> None:
    assert quoted("# a\n\n```\n\t<b>\n```") == "> ### a\n>\n> ```\n> \t<b>\n> ```"


def test_a_line_of_many_runs_of_backticks_keeps_them() -> None:
    runs = " ".join("`" * length for length in range(1, 1500))
    assert embedded(runs).count("\\`") == 1499 * 1500 // 2
