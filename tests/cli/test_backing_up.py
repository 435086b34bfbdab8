"""``backup``, ``restore-backup`` and ``mv``; what they promise is the store's, tested there."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from localsessions import SessionStore
from localsessions.backups.archives import ArchiveWriter

from .conftest import Cli


@pytest.fixture
def two(cli: Cli) -> Cli:
    for name in ("a", "b", "gone"):
        cli.add(name, f"words of {name}", title=f"Title {name}")
    with cli.store() as store:
        store.save_checkpoint("a", {"step": 1})
        store.delete("gone")
    return cli


@pytest.mark.parametrize(
    "ending", [".tar.gz", ".tgz", ".tar", pytest.param(".tar.zst", marks=pytest.mark.needs("zstd"))]
)
def test_a_backup_comes_back_into_a_new_folder(two: Cli, tmp_path: Path, ending: str) -> None:
    file, new = str(tmp_path / f"chats{ending}"), str(tmp_path / "new")
    result = two("backup", file)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"backed up 2 sessions and 1 deleted to {file}\n"
    result = two("--dir", new, "restore-backup", file)
    assert result.stderr == f"restored 2 sessions and 1 deleted of {file}\n"
    assert result.exit_code == 0
    with SessionStore(new) as store:
        assert store.load("a").title == "Title a"
        assert len(store.checkpoints("a")) == 1
        assert store.restore("gone").title == "Title gone"


@pytest.mark.needs("modes")
def test_a_backup_is_private_whole_and_kept(two: Cli, tmp_path: Path) -> None:
    file = tmp_path / "chats.tar.gz"
    two("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    result = two("backup", str(file))
    assert result.exit_code == 4
    assert "is there already; --force overwrites it" in result.stderr
    assert file.read_bytes() == before
    assert two("backup", str(file), "--force").exit_code == 0
    assert not list(tmp_path.glob(".*"))


def test_a_backup_that_is_not_what_was_written_gets_no_name(
    two: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = ArchiveWriter.add

    def garbling(self: ArchiveWriter, name: str, data: bytes, *, modified: int) -> None:
        add(self, name, data.replace(b"Title b", b"Title x"), modified=modified)

    monkeypatch.setattr(ArchiveWriter, "add", garbling)
    result = two("backup", str(tmp_path / "chats.tar"))
    assert result.exit_code == 5
    assert "not those of the manifest" in result.stderr
    assert [path.name for path in tmp_path.iterdir() if "chats" in path.name] == []
    assert two("backup", str(tmp_path / "chats.tar"), "--no-verify").exit_code == 0


def test_a_backup_goes_through_a_pipe(two: Cli) -> None:
    done = two.process("backup", "-")
    assert done.returncode == 0
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        assert "a.json" in archive.getnames()
    assert two("backup", "-", "--json").exit_code == 2


@pytest.mark.needs("terminals")
def test_a_backup_is_not_written_to_a_terminal(two: Cli) -> None:
    code, shown = two.terminal("backup", "-")
    assert code == 2
    assert "not for a terminal" in shown


def test_the_name_says_what_it_is(two: Cli, tmp_path: Path) -> None:
    result = two("backup", str(tmp_path / "chats.zip"))
    assert result.exit_code == 2
    assert ".tar.gz, .tar.zst or .tar" in result.stderr


def test_what_cannot_be_read_is_told_and_the_rest_is_backed_up(two: Cli, tmp_path: Path) -> None:
    two.write("torn", "{")
    (two.folder / "folder.json").mkdir()
    result = two("backup", str(tmp_path / "chats.tar"))
    assert result.exit_code == 5
    assert result.stderr.startswith("backed up 3 sessions and 1 deleted to ")
    assert "left out: " in result.stderr
    assert "folder.json: it is a folder" in result.stderr


def test_a_folder_with_sessions_takes_only_what_is_not_there(two: Cli, tmp_path: Path) -> None:
    file = str(tmp_path / "chats.tar.gz")
    two("backup", file)
    result = two("restore-backup", file)
    assert result.exit_code == 4
    assert "--merge keeps them" in result.stderr
    with two.store() as store:
        store.delete("b")
        store.append("a", {"role": "user", "content": "later"})
        later = store.raw("a")
    plan = two("restore-backup", file, "--merge", "--dry-run")
    assert plan.stderr.startswith("would restore 1 session of ")
    assert [one["session_id"] for one in two.items("list")] == ["a"]
    result = two("restore-backup", file, "--merge")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"restored 1 session of {file}",
        "0 sessions and 1 deleted there already",
        "kept a: the folder has another version of it",
        f"what {file} has of them: restore it into a new folder, with --dir",
    ]
    with two.store() as store:
        assert store.raw("a") == later
        assert store.load("b").title == "Title b"


def test_what_is_no_backup_makes_no_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello " * 500)
    result = cli("restore-backup", str(tmp_path / "text"))
    assert result.exit_code == 5
    assert str(tmp_path / "text") in result.stderr
    assert cli("restore-backup", str(tmp_path / "none")).exit_code == 3
    assert not cli.folder.exists()


def test_a_dry_run_of_a_restore_makes_no_folder(two: Cli, tmp_path: Path) -> None:
    file, new = str(tmp_path / "chats.tar"), tmp_path / "new"
    two("backup", file)
    result = two("--dir", str(new), "restore-backup", file, "--dry-run")
    assert result.stderr == f"would restore 2 sessions and 1 deleted of {file}\n"
    assert not new.exists()


# -- moving --------------------------------------------------------------------------------------


def test_what_moves_is_there_and_an_import_leaves_it_out(cli: Cli, tmp_path: Path) -> None:
    source = str(Path(__file__).parents[2] / "examples" / "transcripts" / "codex")
    cli("import", source)
    (first, *rest) = [one["session_id"] for one in cli.items("list")]
    target = str(tmp_path / "other")
    result = cli("mv", first, "--to", target)
    assert (result.exit_code, result.stderr) == (0, f"moved 1 session to {target}\n")
    cli("import", source)
    assert {one["session_id"] for one in cli.items("list")} == {*rest}
    with SessionStore(target) as store:
        assert [one.session_id for one in store.list()] == [first]
    cli("import", "--again", source)
    assert {one["session_id"] for one in cli.items("list")} == {first, *rest}


def test_an_id_that_is_taken_stays_and_the_others_move(two: Cli, tmp_path: Path) -> None:
    target = tmp_path / "other"
    with SessionStore(target) as store:
        store.create("a", title="another")
    result = two("mv", "a", "b", "--to", str(target))
    assert result.exit_code == 4
    assert result.stderr.startswith(f"moved 1 session to {target}\nerror: a: {target} has another")
    assert [one["session_id"] for one in two.items("list")] == ["a"]
    with SessionStore(target) as store:
        assert (store.load("a").title, store.load("b").title) == ("another", "Title b")


def test_a_dry_run_of_a_move_says_what_would_move(two: Cli, tmp_path: Path) -> None:
    target = tmp_path / "other"
    result = two("mv", "--readable", "--to", str(target), "--dry-run")
    assert result.stderr.splitlines()[0] == f"would move 2 sessions to {target}"
    assert not target.exists()
    assert len(two.items("list")) == 2


def test_sessions_do_not_move_into_their_own_folder(two: Cli) -> None:
    result = two("mv", "a", "--to", f"{two.folder}/../{two.folder.name}")
    assert result.exit_code == 2
    assert "in that folder already" in result.stderr


@pytest.mark.needs("modes")
def test_where_the_target_may_not_be_written_all_stays(
    two: Cli, tmp_path: Path, as_other_user: object
) -> None:
    target = tmp_path / "other"
    with SessionStore(target) as store:
        store.create("z")
    for path in (target, *target.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    two.folder.chmod(0o777)
    for path in two.folder.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)

    def act() -> object:
        result = two("mv", "a", "--to", str(target))
        return result.exit_code, result.stderr

    assert callable(as_other_user)
    code, stderr = as_other_user(two.folder, act)
    assert (code, str(target) in stderr) == (6, True), stderr
    assert len(two.items("list")) == 2
