"""Write docs/session.schema.json: what the models say of a session file."""

from __future__ import annotations

import json
from pathlib import Path

from localsessions import Session

TARGET = Path(__file__).with_name("session.schema.json")


def schema_text() -> str:
    """Return the schema. Unknown fields are kept, so it allows them."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema |= Session.model_json_schema(mode="validation")
    return json.dumps(schema | {"additionalProperties": True}, indent=2) + "\n"


if __name__ == "__main__":
    TARGET.write_text(schema_text(), encoding="utf-8")
