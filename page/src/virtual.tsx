/** A list of any length of which only what is in view is drawn. */

import {
  elementScroll,
  measureElement,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from "@tanstack/virtual-core";
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";

export type Rows = Virtualizer<HTMLElement, HTMLElement>;

interface Props {
  /** The element that scrolls. */
  scroller: RefObject<HTMLElement | null>;
  count: number;
  estimate: (index: number) => number;
  keyOf: (index: number) => string | number;
  draw: (index: number) => ComponentChildren;
  /** Told of the first and last row that is drawn. */
  onDrawn?: (first: number, last: number) => void;
  /** Gets what scrolls to a row. */
  rows?: { current: Rows | undefined };
  role?: "list" | "feed";
  label: string;
  overscan?: number;
}

export function VirtualList(props: Props) {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const place = useRef<HTMLDivElement>(null);
  const made = useRef<Rows>(undefined);
  const options = {
    count: props.count,
    getScrollElement: () => props.scroller.current,
    estimateSize: props.estimate,
    getItemKey: props.keyOf,
    scrollMargin: place.current?.offsetTop ?? 0,
    overscan: props.overscan ?? 6,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    measureElement,
    onChange: () => redraw(undefined as never),
  };
  made.current ??= new Virtualizer<HTMLElement, HTMLElement>(options);
  const rows = made.current;
  rows.setOptions(options);
  if (props.rows) props.rows.current = rows;
  useLayoutEffect(() => rows._didMount(), []);
  useLayoutEffect(() => rows._willUpdate());
  const drawn = rows.getVirtualItems();
  const [first, last] = [drawn[0]?.index ?? 0, drawn.at(-1)?.index ?? -1];
  useLayoutEffect(() => props.onDrawn?.(first, last), [first, last, props.count]);
  const margin = rows.options.scrollMargin;
  return (
    <div ref={place} role={props.role ?? "list"} aria-label={props.label} class="rows" style={{ height: `${rows.getTotalSize()}px` }}>
      {drawn.map((row) => (
        <div
          key={row.key}
          ref={rows.measureElement}
          data-index={row.index}
          role={props.role === "feed" ? undefined : "listitem"}
          class="row"
          style={{ transform: `translateY(${row.start - margin}px)` }}
        >
          {props.draw(row.index)}
        </div>
      ))}
    </div>
  );
}
