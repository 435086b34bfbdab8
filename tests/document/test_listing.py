from __future__ import annotations

import sys
from pathlib import Path

import pytest

from localsessions import SessionStore
from localsessions.adapters.document import summaries


@pytest.mark.parametrize("count", [0, 2, 3, 4, 7])
def test_all_that_fit_come_once_in_order_however_many_pages(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[summaries.__module__], "_PAGE", 3)
    names = [f"s{number}" for number in range(count)]
    with SessionStore(tmp_path) as store:
        for name in names:
            store.create(name, user_id="me")
            store.create(f"other-{name}")
        found = summaries(store, user_id="me", order="created_at")
        assert [one.session_id for one in found] == names
