/** A message as it is read: its texts, with thoughts, calls and results folded. */

import { useState } from "preact/hooks";

import { fork } from "../acts/acts";
import { addressOf } from "../place";
import type { Message } from "../service";
import { rendered } from "../text/markdown";
import { counted, moment } from "../text/measures";
import { oneLine, visible } from "../text/safe";
import { finding } from "./finding";
import type { Reading } from "./reading";
import { type Call, type Part, partsOf } from "./spoken";

/** Folds that a person opened, so that they are open again when they come back into view. */
const opened = new Set<string>();

const COLOURS = /\u001b\[[0-9;?]*[A-Za-z]/g;
const AS_MARKDOWN = 60_000;

interface Props {
  reading: Reading;
  position: number;
  isNew: boolean;
}

export function MessageRow({ reading, position, isNew }: Props) {
  reading.version.value; // draws again when it comes
  const message = reading.message(position);
  const kind = reading.outline.value?.kinds[position] ?? "w";
  const mark = isNew && <p class="new">New since your last visit</p>;
  if (message === undefined) {
    return (
      <div class="message waiting" aria-busy="true">
        {mark}
      </div>
    );
  }
  return (
    <>
      {mark}
      <Drawn reading={reading} position={position} message={message} kind={kind} />
    </>
  );
}

function Drawn({ reading, position, message, kind }: { reading: Reading; position: number; message: Message; kind: string }) {
  const [isRaw, setRaw] = useState(false);
  const name = oneLine(nameOf(message));
  const at = (message as Record<string, unknown>).created_at;
  const isMade = kind === "w" && message.role !== "assistant"; // by a program: instructions, summaries
  return (
    <article class={`message ${kind === "p" ? "prompt" : kind === "s" ? "answer" : "work"}`} aria-label={`Message ${position + 1}, ${name}`}>
      <header>
        <span class="who">{name}</span>
        {typeof at === "string" && !Number.isNaN(Date.parse(at)) && <time dateTime={at}>{moment(at)}</time>}
        <span class="tools">
          <a href={addressOf(reading.sessionId, position)} aria-label={`Link to message ${position + 1}`}>
            {position + 1}
          </a>
          <button onClick={() => void fork(reading.sessionId, position)} aria-label={`Fork at message ${position + 1}`}>
            Fork
          </button>
          <button aria-pressed={isRaw} onClick={() => setRaw(!isRaw)} aria-label={`Raw message ${position + 1}`}>
            Raw
          </button>
        </span>
      </header>
      {isRaw ? (
        <pre class="raw" tabIndex={0}>
          {visible(JSON.stringify(message, null, 2))}
        </pre>
      ) : (
        partsOf(message).map((part, index) => (
          <PartOf key={index} part={part} name={isMade ? name : undefined} fold={`${reading.sessionId} ${position} ${index}`} />
        ))
      )}
      {reading.isCut(position) && (
        <button class="whole" onClick={() => void reading.wholeMessage(position)}>
          This is the beginning. Show all of it
        </button>
      )}
    </article>
  );
}

function PartOf({ part, name, fold }: { part: Part; name: string | undefined; fold: string }) {
  switch (part.kind) {
    case "text":
      if (name === undefined) return <Text text={part.text} />;
      return (
        <Fold id={fold} summary={name} hint={hintOf(part.text)} text={part.text} kind="thought">
          <Text text={part.text} />
        </Fold>
      );
    case "thought":
      return (
        <Fold id={fold} summary="Reasoning" hint={hintOf(part.text)} text={part.text} kind="thought">
          <Text text={part.text} />
        </Fold>
      );
    case "call":
      return <CallOf call={part} fold={fold} />;
    case "result":
      return <Result text={part.text} isError={part.isError} fold={fold} />;
    case "picture":
      return <img class="picture" src={part.src} alt="Picture of the message" />;
    case "other":
      return <p class="other">[{oneLine(part.what)}]</p>;
  }
}

function Text({ text }: { text: string }) {
  if (text.length > AS_MARKDOWN) return <pre class="plain">{visible(text)}</pre>;
  return <div class="text" dangerouslySetInnerHTML={{ __html: rendered(text) }} />;
}

/** Return the beginning of Markdown in a line. */
function hintOf(text: string): string {
  return oneLine(text.slice(0, 400).replace(/[*`#]+/g, "")).slice(0, 160);
}

function CallOf({ call, fold }: { call: Call; fold: string }) {
  return (
    <Fold id={fold} summary={call.name} hint={call.summary} text={call.input} kind="call">
      <pre tabIndex={0}>{visible(call.input)}</pre>
    </Fold>
  );
}

function Result({ text, isError, fold }: { text: string; isError: boolean; fold: string }) {
  const plain = text.replace(COLOURS, "").replace(/\r\n/g, "\n");
  const lines = plain.split("\n");
  const first = lines.find((line) => line.trim()) ?? "";
  const size = lines.length > 1 ? counted(lines.length, "line") : "";
  return (
    <Fold id={fold} summary={isError ? "Error" : "Result"} hint={first.slice(0, 120)} more={size} text={plain} kind={isError ? "result error" : "result"}>
      <pre tabIndex={0}>{visible(plain)}</pre>
    </Fold>
  );
}

interface FoldProps {
  id: string;
  summary: string;
  hint: string;
  more?: string;
  /** What is inside, so that a place that is looked for is not hidden. */
  text: string;
  kind: string;
  children: preact.ComponentChildren;
}

function Fold({ id, summary, hint, more, text, kind, children }: FoldProps) {
  const wanted = finding.value;
  const isFound = wanted !== "" && text.toLowerCase().includes(wanted.toLowerCase());
  const [isOpen, setOpen] = useState(opened.has(id));
  const toggle = (now: boolean) => {
    if (now) opened.add(id);
    else opened.delete(id);
    setOpen(now);
  };
  return (
    <details class={`fold ${kind}`} open={isOpen || isFound} onToggle={(event) => toggle(event.currentTarget.open)}>
      <summary>
        <span class="what">{oneLine(summary)}</span> <span class="hint">{oneLine(hint)}</span>
        {more && <span class="size">{more}</span>}
      </summary>
      {(isOpen || isFound) && children}
    </details>
  );
}

function nameOf(message: Message): string {
  const { name, model } = message as Record<string, unknown>;
  if (message.role === "user") return typeof name === "string" ? name : "You";
  if (message.role === "assistant") return typeof model === "string" ? model : "Assistant";
  return message.role.charAt(0).toUpperCase() + message.role.slice(1);
}
