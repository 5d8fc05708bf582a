import { expect, test } from "vitest";
import { areSteady } from "./steady-headers.ts";

test("takes headers for steady only if nothing can change them", () => {
  expect(areSteady(Object.freeze({ authorization: "Bearer a" }))).toBe(true);
  const others = [{ a: "1" }, new Headers(), Object.freeze(new Headers()), [], Object.freeze([["a", "1"]])];
  expect(others.map((headers) => areSteady(headers as HeadersInit))).toEqual(others.map(() => false));
});
