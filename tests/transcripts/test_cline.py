"""Cline and Roo: tasks, the rows beside them, calls in XML, the newer SDK."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from localsessions.models import message_text
from localsessions.store import SessionStore
from localsessions.transcripts import TranscriptFile, import_paths, read_transcript

from .findings import calls_of, function_of, only, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import JsonValue

    from localsessions.models import Message

    Object = dict[str, JsonValue]
    Reader = Callable[..., TranscriptFile]

ENV = "<environment_details>\n# Current Working Directory (/p) Files\n</environment_details>"
ROO_ENV = (
    "<environment_details>\n# Current Mode\n<slug>code</slug>\n<model>m</model>\n\n"
    "# Current Workspace Directory (c:/p) Files\n</environment_details>"
)
API, UI = "tasks/t1/api_conversation_history.json", "tasks/t1/ui_messages.json"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, JsonValue], Path]:
    def write_value(name: str, value: JsonValue) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
        return path

    return write_value


@pytest.fixture
def read(write: Callable[[str, JsonValue], Path]) -> Reader:
    def read_value(value: JsonValue, name: str = API) -> TranscriptFile:
        return read_transcript(write(name, value))

    return read_value


def spoken(role: str, *texts: JsonValue, **more: JsonValue) -> Object:
    content: JsonValue = [
        {"type": "text", "text": text} if isinstance(text, str) else text for text in texts
    ]
    return {"role": role, "content": content, **more}


def task(*records: JsonValue, env: str = ENV) -> list[JsonValue]:
    return [spoken("user", "<task>\nFix it\n</task>", env), *records]


def row(ts: int, kind: str, text: str | None = None, **more: JsonValue) -> Object:
    asks = ("tool", "command", "followup")
    which = "ask" if kind in asks else "say"
    return {"ts": ts, "type": which, which: kind, "text": text, **more}


def functions_of(message: Message) -> list[Object]:
    return [*map(function_of, calls_of(message))]


# Calls in XML


def test_element_that_has_a_result_is_a_call(read: Reader) -> None:
    found = read(
        task(
            spoken(
                "assistant",
                "I read.\n\n<read_file>\n<path>a.py</path>\n<note>\nx\ny\n</note>\n</read_file>",
            ),
            spoken("user", "[read_file for 'a.py'] Result:", "print(1)", ENV),
        )
    )
    _, called, result = only(found).messages
    assert called["content"] == [{"type": "text", "text": "I read."}]
    assert functions_of(called) == [
        {"name": "read_file", "arguments": '{"path": "a.py", "note": "x\\ny"}'}
    ]
    (call,) = called["tool_calls"] if isinstance(called["tool_calls"], list) else []
    assert isinstance(call, dict)
    assert (result["role"], result["tool_call_id"]) == ("tool", call["id"])
    assert message_text(result) == f"[read_file for 'a.py'] Result:\nprint(1)\n{ENV}"


def test_element_without_a_result_stays_in_the_text(read: Reader) -> None:
    text = "<attempt_completion>\n<result>Done</result>\n</attempt_completion>"
    assert said(read(task(spoken("assistant", text))), "role")[-1] == ("assistant", text)


def test_element_that_was_cut_off_stays_and_its_call_is_there(read: Reader) -> None:
    found = read(
        task(
            spoken("assistant", "<execute_command>\n<command>ls"),
            spoken("user", "[execute_command for 'undefined'] Result:", "not allowed"),
        )
    )
    called = only(found).messages[1]
    assert message_text(called) == "<execute_command>\n<command>ls"
    assert functions_of(called) == [{"name": "execute_command", "arguments": "{}"}]


def test_element_in_a_parameter_belongs_to_the_parameter(read: Reader) -> None:
    inside = "Use <write_to_file>x</write_to_file>."
    text = f"<write_to_file>\n<path>a.md</path>\n<content>\n{inside}\n</content>\n</write_to_file>"
    found = read(
        task(spoken("assistant", text), spoken("user", "[write_to_file for 'a.md'] Result:", "ok"))
    )
    (function,) = functions_of(only(found).messages[1])
    assert isinstance(function, dict)
    assert json.loads(str(function["arguments"])) == {"path": "a.md", "content": inside}


def test_several_calls_of_one_message_are_answered_in_order(read: Reader) -> None:
    text = "<read_file><path>a</path></read_file>\n<read_file><path>b</path></read_file>"
    results = ("[read_file for 'a'] Result:", "one", "[read_file for 'b'] Result:", "two", ENV)
    found = read(task(spoken("assistant", text), spoken("user", *results)))
    _, called, one, two = only(found).messages
    calls = called["tool_calls"]
    assert isinstance(calls, list)
    assert [call["function"] for call in calls if isinstance(call, dict)] == [
        {"name": "read_file", "arguments": '{"path": "a"}'},
        {"name": "read_file", "arguments": '{"path": "b"}'},
    ]
    ids = [call["id"] for call in calls if isinstance(call, dict)]
    assert [one["tool_call_id"], two["tool_call_id"]] == ids
    assert "two" in message_text(two)


def test_parameters_that_are_no_elements_are_one_text(read: Reader) -> None:
    found = read(
        task(
            spoken("assistant", "<run>\nls -l\n</run>"),
            spoken("user", "[run for 'ls -l'] Result:\nok"),
        )
    )
    assert functions_of(only(found).messages[1]) == [
        {"name": "run", "arguments": '{"input": "ls -l"}'}
    ]


@pytest.mark.parametrize(
    "parts",
    [
        ("[run for 'x'] Result:", "The user denied this.\n<feedback>\nNo!\n</feedback>", ENV),
        ("[run for 'x'] Result:", "<answer>\nNo!\n</answer>"),
    ],
)
def test_what_a_person_said_about_a_result_is_of_the_user(
    read: Reader, parts: tuple[str, ...]
) -> None:
    found = read(task(spoken("assistant", "<run><x>1</x></run>"), spoken("user", *parts)))
    *_, result, said = only(found).messages
    assert (result["role"], result["content"]) == (
        "tool",
        [{"type": "text", "text": "[run for 'x'] Result:"}],
    )
    assert said["role"] == "user"
    assert "No!" in message_text(said)


def test_result_in_one_text_with_words_of_a_person_is_of_the_user(read: Reader) -> None:
    answer = "[ask_followup_question for 'x'] Result:\n<answer>\nThe second\n</answer>"
    found = read(task(spoken("assistant", "x"), spoken("user", answer, ENV)))
    assert only(found).messages[-1]["role"] == "user"


def test_file_that_holds_such_elements_is_a_result(read: Reader) -> None:
    file = "[read_file for 'a.xml'] Result:\n1 | <x>\n2 | <task>do</task>"
    found = read(
        task(
            spoken("assistant", "<read_file><path>a.xml</path></read_file>"),
            spoken("user", file, ENV),
        )
    )
    assert only(found).messages[-1]["role"] == "tool"


# Native calls


def test_native_call_and_result_are_paired(read: Reader) -> None:
    use: Object = {"type": "tool_use", "id": "c1", "name": "read_file", "input": {"path": "a"}}
    result: Object = {"type": "tool_result", "tool_use_id": "c1", "content": "print(1)"}
    found = read(task(spoken("assistant", "I read.", use), spoken("user", result, ENV)))
    _, called, answered = only(found).messages
    assert functions_of(called) == [{"name": "read_file", "arguments": '{"path": "a"}'}]
    assert (answered["role"], answered["tool_call_id"], answered["content"]) == (
        "tool",
        "c1",
        [{"type": "text", "text": "print(1)"}, {"type": "text", "text": ENV}],
    )


def test_words_of_a_person_after_a_native_result_are_of_the_user(read: Reader) -> None:
    result: Object = {"type": "tool_result", "tool_use_id": "c1", "content": "ok"}
    found = read(task(spoken("user", result, "<feedback>\nNo!\n</feedback>", ENV)))
    assert [role for role, _ in said(found, "role")] == ["user", "tool", "user"]


def test_reasoning_of_roo_is_a_thinking_part(read: Reader) -> None:
    thought: Object = {"type": "reasoning", "text": "Hm.", "summary": []}
    found = read(task(spoken("assistant", thought, "So."), env=ROO_ENV))
    assert only(found).messages[1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "summary": []},
        {"type": "text", "text": "So."},
    ]


# The rows beside a task


def test_rows_beside_a_task_are_no_session(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    write(API, task())
    report = read([row(1, "task", "Fix it"), row(2, "text", "So.")], UI).report
    assert (report.format, report.skipped, report.bookkeeping) == (
        "cline-ui",
        "a side file of api_conversation_history.json, which is read",
        {"(row)": 2},
    )


def test_rows_give_the_reasoning_that_the_history_lacks(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    write(UI, [row(1500, "reasoning", "Hm."), row(2500, "reasoning", "Later.")])
    asked, said = spoken("user", "<task>x</task>", ts=1000), spoken("assistant", "So.", ts=2000)
    assert only(read([asked, said])).messages[1]["content"] == [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "So."},
    ]


def test_rows_give_what_a_person_said_that_was_condensed_away(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    rows = [row(900, "text", "Fix it"), row(1500, "user_feedback", "Use  tabs")]
    write(UI, [*rows, row(2600, "user_feedback", "Thanks")])
    found = read(
        [
            spoken("user", "<task>\nFix it\n</task>", ts=1000),
            spoken("assistant", "Summary.", ts=2000, isSummary=True),
            spoken("user", "<feedback>\nThanks\n</feedback>", ts=2700),
        ]
    )
    told_ids = [(one["id"], message_text(one)) for one in only(found).messages]
    assert told_ids == [
        ("ui_900", "<task>\nFix it\n</task>"),
        ("ui_1500", "Use  tabs"),
        ("api_2000_summary", "Summary."),
        ("ui_2600", "<feedback>\nThanks\n</feedback>"),
    ]


def test_words_that_the_history_does_not_have_yet_are_pending(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    write(UI, [row(900, "text", "Fix it"), row(2600, "user_feedback", "Wait")])
    found = read([spoken("user", "<task>\nFix it\n</task>", ts=1000)])
    assert [(one["id"], one.get("pending")) for one in only(found).messages] == [
        ("ui_900", None),
        ("ui_2600", True),
    ]


def test_rows_give_the_times_that_the_history_lacks(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    at = 1_784_000_000_000
    rows: JsonValue = [
        row(at + n * 1000, "text", "Fix it", conversationHistoryIndex=n - 1) for n in range(4)
    ]
    write(UI, rows)
    found = read(task(spoken("assistant", "a"), spoken("user", "b"), spoken("assistant", "c")))
    seconds = [str(one["created_at"])[17:19] for one in only(found).messages]
    assert seconds == ["21", "22", "23", "23"]


def test_ids_stay_when_the_history_is_condensed(read: Reader) -> None:
    whole = task(spoken("assistant", "a"), spoken("user", "b"), spoken("assistant", "c"))
    ids = {message_text(one): one["id"] for one in only(read(whole)).messages}
    condensed = [whole[0], spoken("assistant", "summary"), *whole[2:]]
    again = {message_text(one): one["id"] for one in only(read(condensed)).messages}
    assert {text: again[text] for text in ("b", "c")} == {text: ids[text] for text in ("b", "c")}
    assert again["summary"] not in ids.values()


def test_reasoning_stays_when_the_message_before_is_condensed_away(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    rows = [row(900, "text", "x"), row(1000, "api_req_started", "{}"), row(1500, "reasoning", "A")]
    write(UI, [*rows, row(2100, "api_req_started", "{}"), row(2500, "reasoning", "B")])
    asked, said = spoken("user", "<task>x</task>", ts=1000), spoken("assistant", "So.", ts=3000)
    assert only(read([asked, said])).messages[1]["content"] == [
        {"type": "thinking", "thinking": "B"},
        {"type": "text", "text": "So."},
    ]


def test_words_of_a_person_that_are_said_again_are_messages_of_their_own(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    again = ("[TASK RESUMPTION] x\n<user_message>\nOk\n</user_message>", ENV)
    rows = [row(900, "text", "Fix it"), row(1500, "user_feedback", "Ok")]
    write(UI, [*rows, row(1600, "user_feedback", "Ok")])
    first = spoken("user", "<task>\nFix it\n</task>", ts=1000)
    found = read([first, spoken("user", "<feedback>\nOk\n</feedback>", *again, ts=2000)])
    assert [(one["id"], message_text(one)) for one in only(found).messages] == [
        ("ui_900", "<task>\nFix it\n</task>"),
        ("ui_1500", "<feedback>\nOk\n</feedback>"),
        ("ui_1600", "\n".join(again)),
    ]


REQUEST = row(2600, "api_req_started", "{}")


@pytest.mark.parametrize(
    ("rest", "times"), [((), ({}, {})), ((REQUEST,), ({"ts": 1000}, {"ts": 1600}))]
)
def test_of_the_same_words_those_are_taken_up_that_were_there_before_the_message(
    read: Reader,
    write: Callable[[str, JsonValue], Path],
    rest: tuple[Object, ...],
    times: tuple[Object, Object],
) -> None:
    rows = [row(900, "text", "x"), row(1500, "user_feedback", "Ok"), row(1550, "api_req_started")]
    write(UI, [*rows, row(2500, "user_feedback", "Ok"), *rest])
    said = (spoken("user", text) for text in ("<task>x</task>", "<feedback>Ok</feedback>"))
    found = read([one | time for one, time in zip(said, times, strict=True)])
    assert [(one["id"], message_text(one)) for one in only(found).messages[1:]] == [
        ("ui_1500", "<feedback>Ok</feedback>"),
        ("ui_2500", "Ok"),
    ]


# What the program rewrites: the texts are those of parseMentions and parseSlashCommands
# https://github.com/cline/cline/blob/f69c58c5d3/src/core/mentions/index.ts
# https://github.com/cline/cline/blob/f69c58c5d3/src/core/slash-commands/index.ts
# https://github.com/RooCodeInc/Roo-Code/blob/v3.30.0/src/core/mentions/index.ts


def instructed(named: str, element: str = "explicit_instructions") -> str:
    return f"<{element} {named}>\nDo <task> so.\n</{element}>\n"


NEW_TASK = instructed('type="new_task"')
REWRITTEN = [
    ("@/src/a.py", "'src/a.py' (see below for file content)"),
    ("See (@/src/).", "See ('src/' (see below for folder content))."),
    ('Don\'t cut @"/my dir/a b.md"!', "Don't cut 'my dir/a b.md' (see below for file content)!"),
    ("@web:/a.py", "'web:a.py' (see below for file content)"),
    ('@web:"/a b.py"', "'web:a b.py' (see below for file content)"),
    ("@https://a.org/b?c=d", "'https://a.org/b?c=d' (see below for site content)"),
    ("Fix @problems,", "Fix Workspace Problems (see below for diagnostics),"),
    ("@terminal", "Terminal Output (see below for output)"),
    ("@git-changes", "Working directory changes (see below for details)"),
    ("@0a1b2c3", "Git commit '0a1b2c3' (see below for commit info)"),
    ("@/a @/a @problems", "{0} {0} Workspace Problems (see below for diagnostics)"),
    ("please /setup now", "pleaseCommand 'setup' (see below for command content) now"),
]


@pytest.mark.parametrize(("typed", "sent"), REWRITTEN)
def test_mention_that_the_program_rewrites_is_the_same_message(
    read: Reader, write: Callable[[str, JsonValue], Path], typed: str, sent: str
) -> None:
    write(UI, [row(900, "task", "Fix it"), row(1500, "user_feedback", typed)])
    sent = sent.format("'a' (see below for file content)")
    text = f'<feedback>\n{sent}\n</feedback>\n\n<file_content path="a">\nx\n</file_content>'
    found = read(task(spoken("assistant", "So."), spoken("user", text, ENV)))
    told_ids = [(one["id"], message_text(one), one.get("text")) for one in only(found).messages]
    assert told_ids[::2] == [
        ("ui_900", f"<task>\nFix it\n</task>\n{ENV}", None),
        ("ui_1500", f"{text}\n{ENV}", typed),
    ]
    assert len(told_ids) == 3


@pytest.mark.parametrize(
    ("typed", "named", "sent"),
    [
        ("/newtask do x", 'type="new_task"', " do x"),
        ("/smol", 'type="condense"', ""),
        ("/compact", 'type="condense"', ""),
        ("/newrule", 'type="new_rule"', ""),
        ("/reportbug it is slow", 'type="report_bug"', " it is slow"),
        ("/explain-changes", 'type="explain_changes"', ""),
        ("/deep-planning for @/a", 'type="deep-planning"', " for 'a' (see below for file content)"),
        ("then /pr-review #1", 'type="pr-review.md"', "then  #1"),
        ("/pr-review.md", 'type="pr-review.md"', ""),
        ("/debug-build", 'type="skill:debug-build"', ""),
        ("/mcp:git:log:all now", 'server="git" prompt="log:all"', " now"),
    ],
)
def test_command_that_the_program_takes_out_is_the_same_message(
    read: Reader, write: Callable[[str, JsonValue], Path], typed: str, named: str, sent: str
) -> None:
    write(UI, [row(900, "task", "Fix it"), row(1500, "user_feedback", typed)])
    element = "mcp_prompt" if "prompt=" in named else "explicit_instructions"
    lead = "The user has provided feedback on the results."
    text = f"{instructed(named, element)}{lead}\n<feedback>\n{sent}\n</feedback>"
    called = spoken("assistant", "<run><x>1</x></run>")
    found = read(task(called, spoken("user", "[run for 'x'] Result:", text, ENV)))
    *_, result, said = only(found).messages
    assert (result["role"], said["role"]) == ("tool", "user")
    assert (said["id"], message_text(said), said["text"]) == ("ui_1500", f"{text}\n{ENV}", typed)
    assert len(only(found).messages) == 4


def test_commands_and_mentions_of_other_prompts_are_told_apart(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    typed = ("/smol do x", "do x", "/newtask do x", "See 'a'", "See @/a", "See a")
    write(UI, [row(at * 100, "user_feedback", text) for at, text in enumerate(typed)])
    sent = "See 'a' (see below for file content)"
    task_text = f"{NEW_TASK}<task>\n do x\n</task>"
    found = read(
        [
            spoken("user", task_text, ENV),
            spoken("assistant", "So."),
            spoken("user", f"<feedback>\n{sent}\n</feedback>"),
        ]
    )
    whole = {one["id"]: message_text(one) for one in only(found).messages if "abridged" not in one}
    assert (whole["ui_200"], whole["ui_400"]) == (
        f"{task_text}\n{ENV}",
        f"<feedback>\n{sent}\n</feedback>",
    )
    assert len(whole) == 3
    kept = [(one["id"], one["content"]) for one in only(found).messages if "abridged" in one]
    assert kept == [(f"ui_{at * 100}", typed[at]) for at in (0, 1, 3, 5)]


ROO_BARE = "See 'a\\ b.py', 'src/' and 'https://a.org'."


@pytest.mark.parametrize("times", [1600, None])
def test_mention_of_which_the_name_alone_is_sent_is_the_same_message_where_times_are_known(
    read: Reader, write: Callable[[str, JsonValue], Path], times: int | None
) -> None:
    """As https://github.com/RooCodeInc/Roo-Code/blob/cb83656718/src/core/mentions/index.ts."""
    typed = "See @/a\\ b.py, @/src/ and @https://a.org."
    write(UI, [row(1500, "user_feedback", typed), row(1700, "user_feedback", ROO_BARE)])
    dated: Object = {"ts": times} if times else {}
    said = f"<user_message>\n{ROO_BARE}\n</user_message>"
    parts = (said, "[read_file for 'a\\ b.py']\nFile: a\\ b.py\nx", ROO_ENV)
    first, second = only(read([spoken("user", *parts, **dated)])).messages
    (whole,) = (one for one in (first, second) if "abridged" not in one)
    assert (whole["id"], whole.get("text")) == (("ui_1500", typed) if times else ("ui_1700", None))


def test_title_has_mentions_as_they_were_typed(read: Reader) -> None:
    text = f"{NEW_TASK}<task>\n Fix 'a' (see below for file content)\n</task>"
    assert only(read([spoken("user", text, ENV)])).title == "Fix @/a"


def test_prompt_that_is_imported_before_it_is_rewritten_stands_once(
    write: Callable[[str, JsonValue], Path], tmp_path: Path
) -> None:
    """It is a row, then a message too, then a row again, when the history is condensed."""
    rows: list[JsonValue] = [row(900, "task", "Fix it"), row(1000, "api_req_started", "{}")]
    rows.append(row(1500, "user_feedback", "/newtask for @/a"))
    text = "<feedback>\n for 'a' (see below for file content)\n</feedback>"
    sent = spoken("user", f"{NEW_TASK}{text}", ENV)
    answers = [spoken("assistant", "So."), spoken("assistant", "Done.")]
    requested = [*rows, row(2000, "api_req_started", "{}")]
    with SessionStore(tmp_path / "store", durability="fast") as store:
        for history, shown in (
            (task(answers[0]), rows),
            (task(answers[0], sent, answers[1]), requested),
            (task(answers[1]), requested),
        ):
            write(UI, shown)
            write(API, history)
            for _ in "twice":
                import_paths(store, [tmp_path / "tasks"])
        messages = store.load("t1").messages
    assert [(one["role"], one.get("text")) for one in messages] == [
        ("user", None),
        ("assistant", None),
        ("user", "/newtask for @/a"),
        ("assistant", None),
    ]


# Rows alone


def test_rows_that_are_there_before_the_history_are_the_same_messages(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    (alone,) = only(read([row(900, "text", "Fix it")], UI)).messages
    assert (alone["id"], alone["abridged"], alone["pending"]) == ("ui_900", True, True)
    told = only(read(task())).messages[0]
    assert (told["id"], "abridged" in told, "pending" in told) == ("ui_900", False, False)


def test_rows_alone_are_read(read: Reader) -> None:
    found = read(
        [
            row(1, "text", "Fix it", images=["data:image/png;base64,AA=="]),
            row(2, "api_req_started", "{}"),
            row(3, "reasoning", "Hm."),
            row(4, "text", "I look."),
            row(5, "tool", '{"tool":"readFile","path":"a"}'),
            row(6, "command", "ls"),
            row(7, "command_output", "a.txt"),
            row(8, "followup", '{"question":"Which?","suggest":[]}'),
            row(9, "user_feedback", "The first"),
            row(10, "error", "oops"),
            row(11, "checkpoint_saved", "abc"),
            row(12, "text", ""),
        ],
        UI,
    )
    assert said(found, "role") == [
        ("user", "Fix it"),
        ("assistant", "Hm."),
        ("assistant", "I look."),
        ("assistant", ""),
        ("assistant", ""),
        ("tool", "a.txt"),
        ("assistant", "Which?"),
        ("user", "The first"),
        ("system", "oops"),
    ]
    messages = only(found).messages
    assert messages[0]["content"] == [
        {"type": "text", "text": "Fix it"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    assert functions_of(messages[3]) == [{"name": "readFile", "arguments": '{"path": "a"}'}]
    assert functions_of(messages[4]) == [{"name": "command", "arguments": '{"command": "ls"}'}]
    assert (messages[5]["tool_call_id"], messages[6]["text"]) == (
        "ui_6_call",
        '{"question":"Which?","suggest":[]}',
    )
    assert found.report.bookkeeping == {"api_req_started": 1, "checkpoint_saved": 1, "text": 1}


# Facts


def test_task_of_roo_is_told_from_one_of_cline(read: Reader) -> None:
    ours, theirs = read(task()), read(task(env=ROO_ENV))
    assert (ours.report.format, only(ours).agent_id) == ("cline-task", "cline")
    assert (theirs.report.format, only(theirs).agent_id) == ("roo-task", "roo")
    assert [only(one).source["project"] for one in (ours, theirs)] == ["/p", "c:/p"]
    assert only(theirs).source["model"] == "m"


@pytest.mark.parametrize(
    ("folder", "program"),
    [
        ("globalStorage/saoudrizwan.claude-dev", "cline"),
        ("globalStorage/rooveterinaryinc.roo-cline", "roo"),
        (".vscode-mock/global-storage", "roo"),
        ("globalStorage/kilocode.kilo-code", "kilo"),
        (".kilocode/cli/global", "kilo"),
    ],
)
def test_task_in_a_folder_of_a_program_is_of_that_program_from_the_first_row_on(
    read: Reader, folder: str, program: str
) -> None:
    first = read([row(1, "text", "Fix it")], f"{folder}/{UI}")
    assert (first.report.format, only(first).agent_id) == (f"{program}-ui", program)
    found = read(task(env=ROO_ENV), f"{folder}/{API}")
    assert (found.report.format, only(found).agent_id) == (f"{program}-task", program)


def test_task_of_roo_that_speaks_of_kilo_is_one_of_roo(read: Reader) -> None:
    said = spoken("user", "Look into .kilocode and kilocode.kilo-code")
    assert read(task(said, env=ROO_ENV)).report.format == "roo-task"


def test_task_is_named_by_its_folder_and_titled_by_its_task(read: Reader) -> None:
    session = only(read(task()))
    assert (session.session_id, session.title) == ("t1", "Fix it")


def test_history_of_cline_gives_title_folder_and_model(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    item: Object = {"id": "t1", "task": "Fix the login", "cwdOnTaskInitialization": "/w"}
    write("state/taskHistory.json", [{"id": "t0"}, item | {"totalCost": 0.5}])
    write("tasks/t1/task_metadata.json", {"model_usage": [{"model_id": "claude-x"}]})
    session = only(read(task()))
    assert session.title == "Fix the login"
    assert [session.source[key] for key in ("project", "model")] == ["/w", "claude-x"]
    assert session.source["facts"] == {"totalCost": 0.5}


def test_history_that_changed_is_read_again(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    titles = []
    for asked in ("Fix", "Fix the login"):
        write("state/taskHistory.json", [{"id": "t1", "task": asked}])
        titles.append(only(read(task())).title)
    assert titles == ["Fix", "Fix the login"]


@pytest.mark.parametrize("name", ["tasks/t1/history_item.json", "tasks/_index.json"])
def test_history_of_roo_gives_title_and_parent(
    read: Reader, write: Callable[[str, JsonValue], Path], name: str
) -> None:
    item: Object = {"id": "t1", "title": "Login", "task": "x", "parentTaskId": "t0"}
    write(name, {"entries": [item]} if "_index" in name else item)
    session = only(read(task(env=ROO_ENV)))
    assert (session.title, session.source["parent"]) == ("Login", {"session_id": "t0"})


def test_other_lists_of_messages_are_left_to_others(read: Reader) -> None:
    assert read([spoken("user", "hi"), spoken("assistant", "x")]).report.format == "openai-messages"


# The SDK


def sdk(*messages: JsonValue, **more: JsonValue) -> Object:
    whole: Object = {"version": 1, "updated_at": "x", "agent": "lead", "sessionId": "s1"}
    return whole | {"messages": [*messages], **more}


def test_sdk_session_has_the_facts_of_its_manifest(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    manifest: Object = {
        "session_id": "s1",
        "workspace_root": "/w",
        "cwd": "/w/a",
        "enable_tools": True,
        "model": "m",
        "metadata": {
            "title": "Login",
            "git": {"branch": "main"},
            "fork": {"forkedFromSessionId": "s0"},
        },
    }
    beside = write("s1/s1.json", manifest)
    said = spoken("user", '<user_input mode="act">Fix it</user_input>', id="m1", ts=1)
    session = only(read(sdk(said), "s1/s1.messages.json"))
    assert (session.session_id, session.title, session.forked_from) == (
        "s1",
        "Login",
        {"session_id": "s0"},
    )
    source = session.source
    assert [source[key] for key in ("project", "branch", "model")] == ["/w/a", "main", "m"]
    assert read_transcript(beside).report.skipped == "tells of the messages beside it"


def test_sdk_title_is_what_a_person_typed(read: Reader) -> None:
    typed = '<user_input mode="act"><mode_notice>x</mode_notice>Fix it</user_input>'
    said = spoken("user", typed, id="m1")
    assert only(read(sdk(said), "s1.messages.json")).title == "Fix it"


def test_sdk_results_are_messages_of_the_tool(read: Reader) -> None:
    use: Object = {"type": "tool_use", "id": "c1", "name": "editor", "input": {}}
    result: Object = {"type": "tool_result", "tool_use_id": "c1", "name": "editor", "content": "ok"}
    found = read(
        sdk(
            spoken("assistant", "x", use, id="m1", metrics={"cost": 1}),
            spoken("user", result, id="m2"),
            system_prompt="Be kind.",
        ),
        "s1.messages.json",
    )
    prompt, called, answered = only(found).messages
    assert (prompt["role"], prompt["content"]) == ("system", "Be kind.")
    assert called["metrics"] == {"cost": 1}
    assert answered == {
        "id": "m2",
        "role": "tool",
        "content": "ok",
        "name": "editor",
        "tool_call_id": "c1",
    }


def test_sdk_compaction_is_never_the_session(
    read: Reader, write: Callable[[str, JsonValue], Path]
) -> None:
    compacted = sdk(spoken("user", "Fix it", id="m1"))
    alone = only(read(compacted, "s1/s1.compaction.json"))
    assert alone.session_id == "s1-compaction"
    write("s1/s1.messages.json", sdk(spoken("user", "Fix it", id="m1")))
    report = read(compacted, "s1/s1.compaction.json").report
    assert report.skipped == "a side file of s1.messages.json, which is read"


@pytest.mark.parametrize(
    "more",
    [
        {"sessionId": "s1__teamtask__a"},
        {"sessionId": "a1", "origin": {"parentThreadId": "s1", "subagent": "a"}},
    ],
)
def test_sdk_teammate_has_a_parent(read: Reader, more: Object) -> None:
    found = read(sdk(spoken("user", "Go", id="m1")) | more, "s1/a.messages.json")
    assert only(found).source["parent"] == {"session_id": "s1"}
