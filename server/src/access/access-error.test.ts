import { expect, it } from "vitest";
import { missingVerb } from "./access-error.ts";
import { authorize } from "./authorize.ts";
import { Grants } from "./grants.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

it("a missing right has no hint if the credentials are in order", () => {
  expect(missingVerb("append", Grants.parse({ scope: "streamkit::*:read" })).message).toBe(
    'the call needs "append", which no grant of its principal allows',
  );
});

it("a missing right names malformed entries of the credentials, which are the usual cause", () => {
  const grants = Grants.parse({ scope: "streamkit::*:write", streamkit: [{ store: STORE, spaces: { exact: "a" } }] });
  const hint = /Malformed entries grant nothing: scope: "streamkit::\*:write" is not a scope; .*"spaces" is not a key/;
  expect(missingVerb("append", grants).message).toMatch(hint);
  expect(() => authorize(grants, "append", { store: STORE })).toThrow(hint);
});

it("a hint has a bounded length", () => {
  const grants = Grants.parse({
    scope: Array(100)
      .fill(`streamkit::${"x".repeat(1_000)}`)
      .join(" "),
  });
  expect(missingVerb("read", grants).message.length).toBeLessThan(600);
});
