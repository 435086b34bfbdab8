"""What both sides say: JSON objects, messages and runs."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = ["JSONObject", "Said", "SaidRun"]

JSONObject: TypeAlias = dict[str, JsonValue]


class Said(BaseModel):
    """A message: any fields, but always a role."""

    model_config = ConfigDict(extra="allow", strict=True)
    role: str


class SaidRun(BaseModel):
    """A run: any fields."""

    model_config = ConfigDict(extra="allow")
