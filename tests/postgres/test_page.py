"""The page of the service of an address is that of a folder, and is told what a folder's is."""

from __future__ import annotations

from pathlib import Path

import pytest
from server.asking import running

from localsessions import SessionStore
from localsessions.server.discovery import page_of_running

pytestmark = pytest.mark.needs("postgres")


def test_the_page_of_an_address_is_answered_and_reads_its_sessions(
    address: str, store: SessionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    messages = [{"role": "user", "content": "hello"}, {"role": "tool", "content": "there"}]
    store.create("a", title="Kept elsewhere", tags=["red"], messages=messages)
    with running(address) as service:
        page = service("GET", "/", bare=True)
        assert b'<div id="page">' in page.body
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        outline = service("GET", "sessions/a/outline").document
        assert (outline["session"]["title"], outline["kinds"]) == ("Kept elsewhere", "pw")
        groups = service("GET", "groups?by=tag").document["groups"]
        assert [(one["name"], one["sessions"], one["messages"]) for one in groups] == [
            ("red", 1, 2)
        ]
        assert service("GET", "sessions/a/find?q=THERE").document["total"] == 1
        opened = page_of_running(store.save_dir)
        assert opened is not None
        code = opened.partition("#code=")[2]
        assert service("POST", "token", {"code": code}).document == {"token": service.token}
