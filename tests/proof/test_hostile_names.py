"""Ids that are paths, devices or tricks on some system, and names in the folder that nobody gave.

Every verb that takes an id is given each bad one: it is refused by name, or the session lies in
the folder under a name that every system can hold. Nothing is made beside the folder or in it
under another name. Names that are already there, of whatever bytes, hide no session.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import needs
import pytest

from localsessions import Session, SessionExistsError, SessionNotFoundError, SessionStore, _system
from localsessions._codec.names import is_session_id
from proof.counting import tried

PATHS = [
    "../x", "..", ".", "/etc/passwd", "//host/share", "a/../../x", "a/b", "./a", "~/x", "~root",
    "..\\x", "C:\\x", "C:x", "C:well", "Z:x", "well:s.json",
    "\\\\host\\share\\x", "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0",
    "x:stream", "x::$DATA", "x:$I30:$INDEX_ALLOCATION", "file:///etc/passwd", "%2e%2e%2fx",
    "%2E%2E", "..%00", "..%c0%af", "..;/x", "\u2025/x", "\uff0e\uff0e\uff0fx", "..\u2215x",
    "\u2024\u2024/x",
]  # fmt: skip
DEVICES = ["CON", "con.txt", "NUL", "nul .x", "AUX.", "COM1", "com¹", "LPT9.json", "CONIN$", "PRN "]
ODD = [
    "", " ", "a\0b", "\0", "a\nb", "a\rb", "\x1b[2J", "\x7f", "\x80", "\u202egnp.exe",
    "\ufeffa", "a ", "a.", ". .", "...", ".hidden", ".localsessions", ".trash", ".gitignore",
    "index.sqlite3", "-rf", "--help", "*", "?", "a*?", "<script>", '"', "'", "$(id)", "`id`",
    ";rm", "|", "&", "!", "{}", "\ud800", "\udc80", "\udfff\ud800", "e\u0301", "\u0344",
    "\u1e9b\u0323", "ﬁ", "İ", "ß", "ſ", "K", "👩‍👩‍👧", "\U0010ffff", "\ufffe", "s.json",
    "s.checkpoints", "s.json.part", "a" * 200, "a" * 201, "é" * 100, "é" * 101, "e\u0301" * 66,
    "%" * 66, "%" * 67, "会" * 66, "会" * 67, "a" * 100_000,
]  # fmt: skip
BAD = [*PATHS, *DEVICES, *ODD]

VERBS: dict[str, Callable[[SessionStore, str], object]] = {
    "create": lambda store, name: store.create(name),
    "save": lambda store, name: store.save(Session(session_id=name)),
    "get": lambda store, name: store.get(name),
    "append": lambda store, name: store.append(name, {"role": "user"}),
    "upsert_run": lambda store, name: store.upsert_run(name, {"run_id": "r"}),
    "streaming": lambda store, name: store.streaming(name).__enter__(),
    "runs": lambda store, name: store.runs(name),
    "history": lambda store, name: store.history(name, 1),
    "context": lambda store, name: store.context(name),
    "switch_agent": lambda store, name: store.switch_agent(name, "coder"),
    "rename": lambda store, name: store.rename(name, "t"),
    "pin": lambda store, name: store.pin(name),
    "tag": lambda store, name: store.tag(name, "t"),
    "tail": lambda store, name: store.tail(name, 1),
    "fork from": lambda store, name: store.fork(name),
    "fork to": lambda store, name: store.fork("well", new_id=name),
    "delete": lambda store, name: store.delete(name),
    "restore": lambda store, name: store.restore(name),
    "resolve": lambda store, name: store.resolve(name),
    "path": lambda store, name: store.path(name),
    "save_checkpoint": lambda store, name: store.save_checkpoint(name, 1),
    "checkpoints": lambda store, name: store.checkpoints(name),
    "load_checkpoint": lambda store, name: store.load_checkpoint("well", name),
    "delete_checkpoint": lambda store, name: store.delete_checkpoint("well", name),
    "clear_checkpoints": lambda store, name: store.clear_checkpoints(name),
}


def below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("verb", VERBS)
def test_no_id_leads_out_of_the_folder_or_to_anything_else_in_it(verb: str, tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b" / "sessions"
    with SessionStore(inside, durability="fast") as store:
        store.create("well")
        store.save_checkpoint("well", 1)
        for name in BAD:
            try:
                VERBS[verb](store, name)
            except (SessionNotFoundError, SessionExistsError):
                continue
            except (ValueError, LookupError) as error:
                if type(error) not in (ValueError, LookupError):
                    raise
        listed = {one.session_id for one in store.list(limit=500, fresh=True).items}
        files = {os.path.basename(store.path(name)) for name in listed}
    assert below(tmp_path) - below(inside) - {"a", "a/b"} == {
        f"a/b/sessions{f'/{name}' if name else ''}" for name in {"", *below(inside)}
    }
    assert {path.name for path in inside.glob("*.json")} == files
    private = {".localsessions", ".trash"}
    others = {path.name for path in inside.iterdir() if path.suffix != ".json"} - private
    assert all(name.endswith(".checkpoints") for name in others)
    assert not any(set(name) & set('<>:"|?*\\') for name in files | others)
    tried("hostile input", "ids that are paths, devices or tricks, given to each verb", len(BAD))


def test_an_id_is_refused_or_comes_back_as_it_was(store: SessionStore) -> None:
    made: list[str] = []
    for name in BAD:
        try:
            store.create(name)
        except (ValueError, SessionExistsError):
            continue
        made.append(name)
        session = store.load(name)
        assert (session.session_id, store.delete(name) is not None) == (name, True)
        store.restore(name)
    assert sorted(one.session_id for one in store.list(limit=500)) == sorted(made)
    assert len(made) > len(BAD) // 3


def test_where_a_colon_names_a_drive_or_a_stream_an_id_is_neither_nor_a_device(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows says of a device that it is there in every folder, and ``C:x`` is the file ``x``."""
    monkeypatch.setattr(_system, "TAKES_ANY_NAME", False)
    with SessionStore(folder) as store, monkeypatch.context() as patch:
        patch.setattr(os.path, "lexists", lambda path: "%" not in os.fspath(path))
        paths = [store.path(name) for name in BAD if is_session_id(name)]
    assert {os.path.dirname(path) for path in paths} == {str(folder)}
    names = [os.path.basename(path) for path in paths]
    assert [name for name in names if set(name) & set('<>:"|?*')] == []
    bare = {name.partition(".")[0].strip().upper() for name in names}
    assert bare & {"CON", "PRN", "AUX", "NUL", "COM1", "COM¹", "LPT9", "CONIN$"} == set()


def test_an_id_that_could_name_another_session_is_its_own(store: SessionStore) -> None:
    store.create("well", title="well")
    for name in ("C:well", "Z:well", "well:s", "well.json:s", "NUL"):
        assert store.get(name) is None
        store.create(name, title=name)
        assert (store.load(name).title, store.load("well").title) == (name, "well")


# -- names that are in the folder ----------------------------------------------------------------

FOUND: dict[str, bytes] = {
    "no UTF-8": b"\xff\xfe.json",
    "cut UTF-8": b"\xd0.json",
    "overlong UTF-8": b"..\xc0\xaf.json",
    "a surrogate": b"\xed\xa0\x80.json",
    "a newline": b"a\nb.json",
    "an escape sequence": b"\x1b]0;title\x07.json",
    "a backslash": b"..\\x.json",
    "no name": b".json",
    "two dots": b"..json",
    "a space": b" .json",
    "as long as a name can be": b"n" * 250 + b".json",
    "a percent sign": b"100%.json",
    "a cut escape": b"a%2.json",
    "an escape of a slash": b"..%2F..%2Fx.json",
    "an escape of NUL": b"%00.json",
    "a lower escape": b"a%3a.json",
    "an escape of no UTF-8": b"%FF.json",
    "a device": b"CON.json",
    "a stream": b"x:y.json",
}


NEEDED = {
    **dict.fromkeys(["no UTF-8", "cut UTF-8", "overlong UTF-8", "a surrogate"], "names of bytes"),
    **dict.fromkeys(["a newline", "an escape sequence", "a backslash"], "wild names"),
    **dict.fromkeys(["a device", "a stream"], "wild names"),
}


def can_be_found(kind: str) -> bool:
    return kind not in NEEDED or needs.is_here(NEEDED[kind])


@pytest.mark.parametrize("kind", needs.marked(FOUND, NEEDED))
def test_a_name_in_the_folder_hides_no_session_and_stays(
    kind: str, folder: Path, store: SessionStore
) -> None:
    store.create("well")
    path = os.path.join(os.fsencode(folder), FOUND[kind])
    with open(path, "wb") as file:
        file.write(b'{"title": "found"}')
    listed = store.list(fresh=True).items
    assert "well" in {one.session_id for one in listed}
    for one in listed:
        one.model_dump_json()
        assert store.load(one.session_id).session_id == one.session_id
    store.search("found"), store.stats()
    findings = [finding.path for finding in store.verify()]
    known = {os.path.basename(store.path(one.session_id)) for one in listed}
    hidden = FOUND[kind].startswith(b".")
    # Either it is a session, or it is named as what it is; a hidden file is nobody's business.
    assert hidden or (os.fsdecode(FOUND[kind]) in known) != (os.fsdecode(path) in findings)
    with open(path, "rb") as file:
        assert file.read() == b'{"title": "found"}'
    tried("hostile input", "names found in the folder", 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Case", "case"), ("é", "e\u0301"), ("straße", "STRASSE"), ("K", "k"), ("ſ", "S"), ("İ", "i̇")],
)
def test_twins_by_case_or_form_are_refused_and_if_they_are_there_both_are_listed(
    one: str, other: str, folder: Path, store: SessionStore
) -> None:
    store.create(one)
    with pytest.raises(SessionExistsError):
        store.create(other)
    is_same = (folder / f"{other}.json").exists()
    (folder / f"{other}.json").write_text("{}")
    ids = [found.session_id for found in store.list(fresh=True).items]
    assert sorted(ids) == sorted([one] if is_same else [one, other])
    for name in ids:
        store.append(name, {"role": "user", "content": name})
    assert {store.load(name).messages[0]["content"] for name in ids} == set(ids)
    forms = {unicodedata.normalize("NFC", name).casefold() for name in ids}
    assert len(forms) <= 2
    tried("hostile input", "pairs of names that one system takes for one", 1)


@pytest.mark.parametrize(
    "place", [".localsessions/tmp", ".localsessions/kept", ".trash", "s.checkpoints"]
)
def test_names_of_any_bytes_in_a_folder_of_ours_are_left_alone(
    place: str, folder: Path, store: SessionStore
) -> None:
    store.create("s")
    store.save_checkpoint("s", 1)
    store.create("gone")
    store.delete("gone")
    os.makedirs(folder / place, exist_ok=True)
    names = [name for kind, name in FOUND.items() if can_be_found(kind)]
    names += [b"zz-x.tmp", b"99999999-x.json", b"20260102T030405000000Z-..%2Fx.json"]
    bytes_ = [b"00-\xff.tmp", b"00000001-\xff.json", b"20260102T030405000000Z-\xff.json"]
    names += bytes_ if needs.is_here("names of bytes") else [b"00-x.tmp"]
    for name in names:
        with open(os.path.join(os.fsencode(folder / place), name), "wb") as file:
            file.write(b"{}")
    with SessionStore(folder) as other:
        other.verify(), other.stats(), other.trash(), other.list(fresh=True)
        other.save_checkpoint("s", 2)
        other.checkpoints("s")
        other.restore("gone")
        assert {one.session_id for one in other.list().items} == {"s", "gone"}
    left = set(os.listdir(os.fsencode(folder / place)))
    ours = {name for name in names if name.startswith(b"00-")}  # begins as ours do: swept
    assert set(names) - left == (ours if place.endswith("tmp") else set())
    tried("hostile input", "names found in the folder", len(names))
