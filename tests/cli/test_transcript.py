"""Messages as they are drawn for a person, at any width."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from localsessions.cli.screen import folding, transcript
from localsessions.cli.screen.markdown import SafeMarkdown
from localsessions.cli.screen.safe import clean
from localsessions.cli.screen.transcript import Look, drawn

if TYPE_CHECKING:
    from rich.console import RenderableType

Message = dict[str, Any]


def lines_of(renderable: RenderableType, width: int = 60) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=25, color_system=None)
    with console.capture() as captured:
        console.print(renderable)
    return [line.rstrip() for line in captured.get().rstrip("\n").split("\n")]


def shown(*messages: Message, width: int = 60, first: int = 0, **look: Any) -> list[str]:
    """Return the lines of messages, with an empty one between them."""
    lines: list[str] = []
    for one in drawn(messages, Look(**look), first=first):
        lines += ["", *lines_of(one, width)] if lines else lines_of(one, width)
    return lines


# Markdown


def test_markdown_is_drawn() -> None:
    text = "# Head\n\ntwo **bold** `code`\n\n1. one\n   - inner\n2. two\n-\n> said\n\n***\n"
    assert lines_of(SafeMarkdown(text)) == [
        *("Head", "", "two bold code", "", " 1 one", "    • inner", " 2 two", "", " •", ""),
        *("▌ said", "", "-" * 60),
    ]


def test_a_line_break_stays_one() -> None:
    assert lines_of(SafeMarkdown("one\ntwo")) == ["one", "two"]


def test_html_and_definitions_of_links_are_seen() -> None:
    text = "<b>x</b> <!-- c -->\n\n<div>\ny\n</div>\n\n[a]: http://x.example 'hidden'\n"
    assert "\n".join(lines_of(SafeMarkdown(text))) == (
        "<b>x</b> <!-- c -->\n\n<div>\ny\n</div>\n\n[a]: http://x.example 'hidden'"
    )


def test_a_link_has_its_address_as_text_and_is_none_for_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(SafeMarkdown("[a **b**](http://x.example/?q) <http://y.example>"))
    assert "http://x.example/?q" in captured.get()
    assert "http://y.example" in captured.get()
    assert "\x1b]8" not in captured.get()


def test_an_image_is_seen_by_name_and_address() -> None:
    data = "data:image/png;base64," + "A" * 5_000
    assert lines_of(SafeMarkdown("![a cat](http://x/y.png)")) == ["[image a cat](http://x/y.png)"]
    assert len(lines_of(SafeMarkdown(f"![a cat]({data})"))) < 6


def test_an_entity_does_not_act() -> None:
    assert lines_of(SafeMarkdown("&#x202e;x &#155;y &lt;z&gt;")) == [
        "\\u202ex \N{REPLACEMENT CHARACTER}y <z>"
    ]


@pytest.mark.parametrize("width", [20, 60, 140])
def test_code_stands_set_in_and_no_word_is_broken(width: int) -> None:
    code = "def a_function(an_argument):\n\treturn an_argument\n"
    lines = lines_of(SafeMarkdown(f"```python\n{code}```"), width)
    assert all(line.startswith("    ") for line in lines)
    assert max(map(len, lines)) <= width
    if width > 20:
        assert lines == ["    def a_function(an_argument):", "        return an_argument"]


def test_no_cell_of_a_table_is_cut() -> None:
    text = f"| name | what |\n|---|---|\n| x | {'longer ' * 12} |\n| {'y' * 50} | z |\n"
    lines = lines_of(SafeMarkdown(text), 40)
    assert max(map(len, lines)) <= 40
    assert sum(line.count("y") for line in lines) == 50
    assert sum(line.count("longer") for line in lines) == 12


def test_a_table_of_many_columns_is_a_line_for_each_cell() -> None:
    row = "|" + "|".join(f"a{number}" for number in range(12)) + "|\n"
    lines = lines_of(SafeMarkdown(row + "|---" * 12 + "|\n" + row.replace("a", "b")), 60)
    assert lines == [f"a{number}: b{number}" for number in range(12)]


@pytest.mark.parametrize(
    "text", ["> " * 50 + "deep", "".join(f"{'  ' * n}- x\n" for n in range(15))]
)
@pytest.mark.parametrize("width", [1, 10, 60])
def test_what_is_nested_too_deep_is_shown_as_it_is_typed(text: str, width: int) -> None:
    signs = "".join(lines_of(SafeMarkdown(text), width)).replace(" ", "")
    assert signs.count("x") + signs.count("deep") == text.count("x") + text.count("deep")


# messages


def test_a_message_has_a_heading_and_its_text() -> None:
    said = {"role": "user", "name": "ann", "content": "hello", "created_at": "2026-01-31T12:00:00Z"}
    heading, text = shown(said, first=54)
    assert heading.startswith("#55  user  ann  2026-01-3")
    assert text == "  hello"


def test_words_are_wrapped_and_only_longer_ones_are_broken() -> None:
    text = "some words " * 20 + "x" * 100
    lines = shown({"role": "user", "content": text}, width=40)[1:]
    words = " ".join(lines).split()
    assert words[:40] == ["some", "words"] * 20
    assert "".join(words[40:]) == "x" * 100


def test_reasoning_is_folded_to_its_first_lines() -> None:
    said = {"role": "assistant", "reasoning": "\n".join("abcdefg"), "content": "so"}
    assert shown(said)[1:] == [
        *("  a", "  b", "  c", "  ... 4 more lines: --reasoning", "", "  so"),
    ]
    assert shown(said, hints=False)[4] == "  ... 4 more lines"
    for whole in ({"reasoning": True}, {"full": True}):
        assert shown(said, **whole)[1:] == [*(f"  {one}" for one in "abcdefg"), "", "  so"]


CALLED: dict[str, list[Message]] = {
    "openai": [
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "function": {"name": "ls", "arguments": '{"path": "/x"}'}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "a\nb"},
    ],
    "openai, older": [
        {"role": "assistant", "function_call": {"name": "ls", "arguments": '{"path": "/x"}'}},
        {"role": "function", "name": "ls", "content": "a\nb"},
    ],
    "anthropic": [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "1", "name": "ls", "input": {"path": "/x"}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "1",
                    "content": [{"type": "text", "text": "a\nb"}],
                }
            ],
        },
    ],
    "gemini": [
        {"role": "model", "content": [{"functionCall": {"name": "ls", "args": {"path": "/x"}}}]},
        {
            "role": "user",
            "content": [{"functionResponse": {"name": "ls", "response": {"output": "a\nb"}}}],
        },
    ],
}


@pytest.mark.parametrize("messages", CALLED.values(), ids=CALLED)
def test_a_result_is_drawn_below_its_call(messages: list[Message]) -> None:
    assert shown(*messages)[1:] == ['  ls(path="/x")', "    └ #2 a", "      b"]


@pytest.mark.parametrize("messages", CALLED.values(), ids=CALLED)
def test_a_result_whose_call_is_not_shown_stands_by_itself(messages: list[Message]) -> None:
    lines = shown(messages[1], first=1)
    assert lines[0].startswith("#2  ")
    assert [line.replace("ls: ", "") for line in lines[1:]] == ["  └ a", "    b"]


def test_results_of_the_same_tool_go_to_the_calls_in_order() -> None:
    calls = [{"functionCall": {"name": "ls", "args": {"n": n}}} for n in (1, 2)]
    answers = [{"functionResponse": {"name": "ls", "response": {"output": n}}} for n in "ab"]
    lines = shown({"role": "model", "content": calls}, {"role": "user", "content": answers})
    assert lines[1:] == ["  ls(n=1)", "    └ #2 a", "  ls(n=2)", "    └ #2 b"]


def test_what_else_a_message_of_results_says_is_drawn_too() -> None:
    call, answer = CALLED["anthropic"]
    assert isinstance(answer["content"], list)
    more: Message = {**answer, "content": [*answer["content"], {"type": "text", "text": "go on"}]}
    assert shown(call, more)[-2:] == ["#2  user", "  go on"]


def test_a_call_kept_in_both_places_is_drawn_once() -> None:
    call: Message = {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "1", "name": "ls", "input": {}}],
        "tool_calls": [{"id": "1", "function": {"name": "ls", "arguments": "{}"}}],
    }
    assert shown(call)[1:] == ["  ls()"]


def test_a_long_call_is_a_line_and_tools_shows_it_whole() -> None:
    code = "\n".join(f"line {number}" for number in range(50))
    call: Message = {
        "role": "assistant",
        "tool_calls": [{"id": "1", "function": {"name": "write", "arguments": {"code": code}}}],
    }
    answer: Message = {"role": "tool", "tool_call_id": "1", "content": code}
    lines = shown(call, answer)
    assert len(lines[1]) == 60
    assert lines[1].startswith('  write(code="line 0\\nline 1')
    assert lines[2:] == [
        *("    └ #2 line 0", "      line 1", "      line 2", "      line 3"),
        "      ... 46 more lines: --tools",
    ]
    assert len(shown(call, answer, tools=True)) == 2 + 50 + 50


def test_a_result_without_text_says_so() -> None:
    call, _ = CALLED["openai"]
    answer: Message = {"role": "tool", "tool_call_id": "1", "content": ""}
    assert shown(call, answer)[-1] == "    └ #2 (nothing)"


PICTURES: dict[str, tuple[dict[str, Any], str]] = {
    "openai": (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 27_000}"}},
        "[image image/png, 20 kB]",
    ),
    "an address": (
        {"type": "image_url", "image_url": "https://x.example/y.png"},
        "[image https://x.example/y.png]",
    ),
    "anthropic": (
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "AAAA"}},
        "[image image/gif, 3 B]",
    ),
    "gemini": (
        {"inlineData": {"mimeType": "image/webp", "data": "A" * 2_800_000}},
        "[image image/webp, 2.1 MB]",
    ),
    "a document": (
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        },
        "[file application/pdf, 1 B, a.pdf]",
    ),
    "a sound": (
        {"type": "input_audio", "input_audio": {"format": "wav", "data": "AAAA"}},
        "[audio audio/wav, 3 B]",
    ),
    "nothing is told": ({"type": "input_image", "image_url": None}, "[image]"),
    "unknown": ({"type": "patch", "files": [1]}, '[patch {"type": "patch", "files": [1]}]'),
}


@pytest.mark.parametrize(("part", "told"), PICTURES.values(), ids=PICTURES)
def test_what_is_no_text_is_told(part: dict[str, Any], told: str) -> None:
    assert shown({"role": "user", "content": [part]})[1:] == [f"  {told}"]


def test_the_marked_message_has_a_bar() -> None:
    said: list[Message] = [{"role": "user", "content": text} for text in "abc"]
    assert shown(*said, first=7, marked=8) == [
        *("#8  user", "  a", "", "┃ #9  user", "┃   b", "", "#10  user", "  c"),
    ]
    call, answer = CALLED["openai"]
    assert all(line.startswith("┃ ") for line in shown(call, answer, marked=1))


# long texts


def test_a_long_message_is_cut_and_full_shows_it() -> None:
    said: Message = {"role": "user", "content": "line\n" * 1_234}
    assert shown(said)[-1] == "  ... 1,034 more lines: --full"
    assert len(shown(said, full=True)) == 1_235


@pytest.mark.parametrize("text", ["x" * 100_000, "word " * 20_000])
def test_a_message_of_one_long_line_is_cut_too(text: str) -> None:
    lines = shown({"role": "user", "content": text})
    assert lines[-1] == "  ... 80,000 more characters: --full"
    assert sum(map(len, lines[:-1])) < 30_000


def test_only_the_beginning_of_a_long_result_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(text: str) -> str:
        sizes.append(len(text))
        return clean(text)

    monkeypatch.setattr(folding, "clean", counted)
    call, _ = CALLED["openai"]
    for text in ("line\n" * 1_000_000, "x" * 5_000_000):
        answer: Message = {"role": "tool", "tool_call_id": "1", "content": text}
        assert shown(call, answer)[-1].endswith("--tools")
    assert sizes
    assert max(sizes) < 1_000


def test_a_message_is_drawn_in_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Counted(SafeMarkdown):
        def __init__(self, text: str) -> None:
            made.append(text)
            super().__init__(text)

    monkeypatch.setattr(transcript, "SafeMarkdown", Counted)
    messages: list[Message] = [{"role": "user", "content": f"{n}"} for n in range(100)]
    waiting = drawn(messages)
    next(waiting)
    assert made == ["0"]


@pytest.mark.parametrize(
    "content",
    [
        *(None, 5, "", [], {}, [None, 5, [], {}, [[["x"]]]]),
        *({"type": 5}, [{"type": "text"}], [{"type": []}]),
    ],
)
def test_any_content_can_be_drawn(content: Any) -> None:
    for role in ("user", "tool"):
        message: Message = {"role": role, "content": content, "tool_calls": content}
        assert shown({**message, "toolCalls": [{"result": content}]})[0] == f"#1  {role}"


def test_arguments_nested_deep_and_numbers_of_many_digits_can_be_drawn() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, 10**5_000):
        call: Message = {
            "role": "a",
            "tool_calls": [{"function": {"name": "f", "arguments": value}}],
        }
        assert shown(call, tools=True)[1] == "  f"
        assert shown(call)[1].startswith("  f(")
