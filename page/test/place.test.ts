import { describe, expect, test } from "vitest";

import { formatPlace, parsePlace } from "../src/place";

describe("a place in the address", () => {
  test("is the same after writing and reading it", () => {
    const place = parsePlace("#/s/a%2Fb%3Fc?q=two+words&project=%2Fhome%2Fme&tag=x&by=project&at=12&said=1");
    expect(place).toEqual({
      q: "two words",
      filters: { project: "/home/me", tag: "x" },
      by: "project",
      session: "a/b?c",
      at: 12,
      said: true,
      view: undefined,
    });
    expect(parsePlace(formatPlace(place))).toEqual(place);
  });

  test("is the list if nothing in it is known", () => {
    const list = parsePlace("");
    for (const text of ["#", "#/nowhere", "#code=x", "#/s", "#/?at=12x&by=magic&server=http://evil.test"]) {
      expect(parsePlace(text)).toEqual(list);
    }
  });

  test("takes an address that was cut in the middle of a letter", () => {
    expect(parsePlace("#/s/%E4%BD").session).toBe("%E4%BD");
  });
});
