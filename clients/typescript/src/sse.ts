/**
 * Server-Sent Events, taken apart as the standard says:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 *
 * Not EventSource: that cannot send the token, and no cookie is set.
 */

export interface ServerEvent {
  event: string;
  data: string;
  /** The id that the stream has reached; undefined if it never said one. */
  id: string | undefined;
}

/** Takes a stream apart, however its bytes are cut. */
export class EventParser {
  #decoder = new TextDecoder();
  #rest = "";
  #event = "";
  #data: string[] = [];
  #id: string | undefined;

  /** Return the events that end in these bytes. */
  take(bytes: Uint8Array): ServerEvent[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const events: ServerEvent[] = [];
    // A carriage return at the end may be half of an end of line.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#takeLine(line);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  #takeLine(line: string): ServerEvent | undefined {
    if (line === "") return this.#end();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    return undefined; // a line that begins with a colon is a heartbeat
  }

  #end(): ServerEvent | undefined {
    const [event, data] = [this.#event || "message", this.#data];
    [this.#event, this.#data] = ["", []];
    return data.length > 0 ? { event, data: data.join("\n"), id: this.#id } : undefined;
  }
}
