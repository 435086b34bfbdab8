/** Waiting that an AbortSignal ends. */

/** Wait so many milliseconds, or less if the signal comes; it does not throw. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
  });
}

/** How long to wait before each further try: twice as long as before, and never all at once. */
export class Backoff {
  #tries = 0;

  constructor(
    readonly first: number,
    readonly longest: number,
  ) {}

  /** Return the next pause in milliseconds. */
  next(): number {
    const longest = Math.min(this.longest, this.first * 2 ** this.#tries);
    this.#tries += 1;
    return longest * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#tries = 0;
  }
}

/** Aborts if nobody calls `heard` for so long. */
export class Silence {
  readonly #controller = new AbortController();
  readonly #milliseconds: number;
  readonly #from: AbortSignal;
  readonly #onAbort = () => this.#controller.abort(this.#from.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(milliseconds: number, from: AbortSignal) {
    this.#milliseconds = milliseconds;
    this.#from = from;
    if (from.aborted) this.#controller.abort(from.reason);
    from.addEventListener("abort", this.#onAbort);
    this.heard();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Do not wait, until something is heard again. */
  rest(): void {
    clearTimeout(this.#timer);
  }

  heard(): void {
    this.rest();
    this.#timer = setTimeout(() => {
      this.#controller.abort(new Error(`the service said nothing for ${this.#milliseconds} ms`));
    }, this.#milliseconds);
  }

  end(): void {
    this.rest();
    this.#from.removeEventListener("abort", this.#onAbort);
    this.#controller.abort();
  }
}
