/**
 * The parts of a message, as texts. Programs keep calls and their results in many shapes; here they are one.
 *
 * Any JSON may stand in a message. Nothing here throws, and every text is safe to be shown as text.
 */

import type { Message } from "localsessions-client";

import type { Line, Part } from "./page/protocol.js";
import { clean, oneLine } from "./plain.js";

/** How much of a part is shown; `localsessions show` has the rest. */
const MOST = 100_000;
const CALLS = ["tool_use", "server_tool_use", "mcp_tool_use", "tool_call", "function_call"];
const THOUGHTS = ["thinking", "redacted_thinking", "reasoning"];
const BESIDE = ["reasoning", "reasoning_content", "summary", "thoughts"];

const TEXTS = ["text", "thinking", "content", "output", "functionResponse", "response", "summary"];

type Fields = Record<string, unknown>;

export function lineOf(message: Message): Line {
  const name = typeof message["name"] === "string" ? ` ${message["name"]}` : "";
  return { role: oneLine(`${message.role}${name}`), parts: partsOf(message) };
}

function partsOf(message: Fields): Part[] {
  const thoughts = BESIDE.filter((key) => key in message).map((key) => part("thought", "", textOf(message[key])));
  const isResult = message["role"] === "tool" || message["role"] === "function" || "tool_call_id" in message;
  const content = listOf(message["content"]);
  const inside = isResult ? [part("result", "", textOf(content))] : content.flatMap(partOf);
  const called = [...listOf(message["tool_calls"]), ...listOf(message["function_call"])].filter(isObject).map(callOf);
  return [...thoughts, ...inside, ...called].filter((one) => one.text.trim() !== "" || one.label !== "");
}

function partOf(value: unknown): Part[] {
  if (typeof value === "string") return [part("said", "", value)];
  if (!isObject(value)) return value === null || value === undefined ? [] : [part("other", "", jsonOf(value))];
  const kind = typeof value["type"] === "string" ? value["type"] : "";
  if (THOUGHTS.includes(kind) || value["thought"] === true) return [part("thought", "", textOf(value))];
  if (CALLS.includes(kind) || isObject(value["functionCall"])) return [callOf(value)];
  if (kind.endsWith("tool_result") || kind === "function_call_output" || isObject(value["functionResponse"])) {
    return [part("result", "", textOf(value))];
  }
  if (typeof value["text"] === "string") return [part("said", "", value["text"])];
  return [part("other", kind, jsonOf(value).slice(0, 2_000))];
}

function callOf(fields: Fields): Part {
  const inner = [fields["function"], fields["functionCall"]].find(isObject) ?? fields;
  const name = typeof inner["name"] === "string" ? inner["name"] : "call";
  const given = inner["arguments"] ?? inner["input"] ?? inner["args"] ?? {};
  return part("call", name, typeof given === "string" ? given : jsonOf(given));
}

/** Return the text that stands in a value; JSON if none does. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(textOf).join("\n");
  if (!isObject(value)) return value === null || value === undefined ? "" : jsonOf(value);
  const key = TEXTS.find((one) => one in value);
  return key === undefined ? jsonOf(value) : textOf(value[key]);
}

function part(kind: Part["kind"], label: string, text: string): Part {
  const left = text.length - MOST;
  const shown = left > 0 ? `${text.slice(0, MOST)}\n… ${left} more characters: localsessions show has all` : text;
  return { kind, label: oneLine(label), text: clean(shown) };
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

function listOf(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
