import { expect, it } from "vitest";
import { refusalOfNode } from "./node-version.ts";

it.each(["22.15.0", "22.16.0", "24.0.0", "100.0.0"])("takes Node %s", (version) => {
  expect(refusalOfNode(version)).toBe(undefined);
});

it.each(["22.14.0", "22.9.1", "20.20.2", "8.0.0"])("refuses Node %s", (version) => {
  expect(refusalOfNode(version)).toBe(`needs Node.js 22.15 or later; this is ${version}`);
});
