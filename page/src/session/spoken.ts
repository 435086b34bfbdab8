/** What a message is made of, whatever program wrote it: texts, thoughts, calls, results, pictures. */

import type { Message } from "../service";

export interface Call {
  kind: "call";
  id: string | undefined;
  name: string;
  /** The arguments, as JSON or as they were given. */
  input: string;
  /** What it is about, in a line. */
  summary: string;
}

export type Part =
  | { kind: "text"; text: string }
  | { kind: "thought"; text: string }
  | { kind: "picture"; src: string }
  /** What this page does not show: a file, a picture elsewhere. */
  | { kind: "other"; what: string }
  | { kind: "result"; text: string; isError: boolean }
  | Call;

type Fields = Record<string, unknown>;

const PICTURE = /^data:image\/(?:png|gif|jpeg|webp|avif);base64,/i;
const THOUGHTS = ["thinking", "redacted_thinking", "reasoning"];
const KEPT_THOUGHTS = ["reasoning", "reasoning_content", "thoughts"];
/** The argument that says most, in this order. */
const TELLING = ["command", "cmd", "pattern", "query", "file_path", "filePath", "path", "url", "description", "prompt", "input"];
const SUMMARY_LENGTH = 140;

/** Return the parts of a message, in the order of reading. */
export function partsOf(message: Message): Part[] {
  const fields = message as Fields;
  const said = contentParts(fields.content);
  const thoughts = KEPT_THOUGHTS.flatMap((key) => thoughtParts(fields[key]));
  const calls = callParts(fields.tool_calls);
  if (message.role !== "tool") return unique([...thoughts, ...said, ...calls]);
  const text = said.map((part) => (part.kind === "text" ? part.text : "")).filter(Boolean).join("\n");
  const others = said.filter((part) => part.kind !== "text");
  return [{ kind: "result", text, isError: fields.is_error === true || fields.success === false }, ...others];
}

/** Return all that a message says and does as one text, to compare it. */
export function gistOf(message: Message): string {
  return partsOf(message).map(gistOfPart).join("\n").trim();
}

function gistOfPart(part: Part): string {
  switch (part.kind) {
    case "call":
      return `${part.name} ${part.input}`;
    case "picture":
      return `[picture ${part.src.slice(-40)}]`;
    case "other":
      return `[${part.what}]`;
    default:
      return part.text;
  }
}

function contentParts(content: unknown): Part[] {
  if (typeof content === "string") return content.trim() ? [{ kind: "text", text: content }] : [];
  if (Array.isArray(content)) return content.flatMap(contentParts);
  return isFields(content) ? partsIn(content) : [];
}

function partsIn(part: Fields): Part[] {
  const type = typeof part.type === "string" ? part.type : "";
  if (THOUGHTS.includes(type) || part.thought === true) return thoughtParts(part);
  if (type === "tool_use") return callParts([part]);
  const source = pictureIn(part);
  if (source !== undefined) return [PICTURE.test(source) ? { kind: "picture", src: source } : { kind: "other", what: "picture, not here" }];
  for (const key of ["text", "content", "output", "refusal"]) {
    const found = contentParts(part[key]);
    if (found.length > 0) return found;
  }
  if (type === "file" || type.endsWith("_file")) return [{ kind: "other", what: `file ${String(part.path ?? part.filename ?? "")}` }];
  return type && type !== "text" ? [{ kind: "other", what: type.replaceAll("_", " ") }] : [];
}

function pictureIn(part: Fields): string | undefined {
  const link = isFields(part.image_url) ? part.image_url.url : part.image_url;
  if (typeof link === "string") return link;
  const held = [part.source, part.inlineData, part.inline_data].find(isFields);
  if (held && typeof held.data === "string") {
    return `data:${String(held.media_type ?? held.mimeType ?? held.mime_type)};base64,${held.data}`;
  }
  return String(part.type).includes("image") ? "" : undefined;
}

function thoughtParts(value: unknown): Part[] {
  const text = thoughtText(value).trim();
  return text ? [{ kind: "thought", text }] : [];
}

function thoughtText(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(thoughtText).filter(Boolean).join("\n\n");
  if (!isFields(value)) return "";
  if (typeof value.description === "string") return [value.subject, value.description].filter(Boolean).join("\n\n");
  for (const key of ["thinking", "text", "summary", "content"]) {
    const text = thoughtText(value[key]);
    if (text) return text;
  }
  return "";
}

function callParts(calls: unknown): Part[] {
  if (!Array.isArray(calls)) return [];
  return calls.filter(isFields).map((call) => {
    const called = isFields(call.function) ? call.function : call;
    const given = called.arguments ?? called.input ?? called.args;
    const input = typeof given === "string" ? given : JSON.stringify(given ?? {}, null, 2);
    const id = typeof call.id === "string" ? call.id : undefined;
    return { kind: "call", id, name: String(called.name ?? "tool"), input: pretty(input), summary: summaryOf(given) };
  });
}

/** Return what a call is about: the argument that says most. */
export function summaryOf(given: unknown): string {
  const value = typeof given === "string" ? parsed(given) : given;
  if (typeof value === "string") return value.replace(/\s+/g, " ").slice(0, SUMMARY_LENGTH);
  if (!isFields(value)) return "";
  const key = TELLING.find((name) => isTelling(value[name])) ?? Object.keys(value).find((name) => isTelling(value[name]));
  if (key === undefined) return "";
  const found = value[key];
  if (typeof found === "string" && key === "input") return summaryOf(found); // arguments inside arguments
  const text = Array.isArray(found) ? found.join(" ") : String(found);
  return text.replace(/\s+/g, " ").slice(0, SUMMARY_LENGTH);
}

function isTelling(value: unknown): boolean {
  return (typeof value === "string" && value.trim() !== "") || (Array.isArray(value) && value.every((one) => typeof one === "string"));
}

function pretty(text: string): string {
  const value = parsed(text);
  return typeof value === "string" ? text : JSON.stringify(value, null, 2);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function unique(parts: Part[]): Part[] {
  const seen = new Set<string>();
  return parts.filter((part) => {
    if (part.kind !== "thought") return true;
    const isNew = !seen.has(part.text);
    seen.add(part.text);
    return isNew;
  });
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
