import { StreamService } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { parseCases } from "./load.ts";
import { completeRequest } from "./request.ts";
import { Scope } from "./scope.ts";

/** Builds the placeholder in code, so that no tool takes this file for a template. */
const placeholder = (name: string): string => `\${${name}}`;

const head = "cases:\n  - {id: A, title: t, clauses: [ORD-001], ";

describe("parseCases", () => {
  it("creates a case per variant, with values that keep their types", () => {
    const cases = parseCases(
      `${head}steps: [{call: Append, request: "\${r}"}], variants: [{id: X, r: {records: [a]}}]}`,
    );
    expect(cases.map(({ id }) => id)).toEqual(["A-X"]);
    expect(cases[0]?.steps[0]?.request).toEqual({ records: ["a"] });
  });

  it.each([
    ["an unknown member", `${head}stepz: []}`],
    ["no steps", `${head}steps: []}`],
    ["a step without action", `${head}steps: [{comment: nothing}]}`],
    ["an unknown expectation", `${head}steps: [{call: Append, expect: {colour: red}}]}`],
    ["two actions", `${head}steps: [{call: Append, cancel: x}]}`],
    ["credentials without needs", `${head}credentials: {a: {}}, steps: [{call: Append, actor: a}]}`],
    [
      "credentials of main",
      `${head}needs: [raw, auth], credentials: {main: {}}, steps: [{call: Append, actor: main}]}`,
    ],
    ["credentials of nobody", `${head}needs: [raw, auth], credentials: {a: {}}, steps: [{call: Append}]}`],
  ])("refuses %s", (_, text) => {
    expect(() => parseCases(text)).toThrow();
  });
});

describe("requests", () => {
  const defaults = { store: "the-store", space: "the-space" };

  it("fill in missing fields and omit null ones", () => {
    const input = StreamService.method.consumeSegment.input;
    const request = completeRequest(input, { space: null, limit: 3 }, defaults);
    expect(request).toEqual({ store_id: "the-store", segment: "seg", limit: 3 });
  });

  it("expand records and repeats", () => {
    const input = StreamService.method.append.input;
    const request = completeRequest(
      input,
      { segment: { repeat: "x", times: 3 }, records: ["a", { count: 2 }] },
      defaults,
    );
    expect(request.appends).toEqual([
      { segment: "xxx", records: [{ payload: "YQ==" }, { payload: "" }, { payload: "" }] },
    ]);
  });
});

describe("Scope", () => {
  it("adds to numbers, beyond 2^53 too, and keeps UUIDs over children", () => {
    const scope = new Scope({ n: "9007199254740993" });
    expect(scope.text(placeholder("n+1"))).toBe("9007199254740994");
    expect(scope.text(placeholder("n-2"))).toBe("9007199254740991");
    expect(scope.with({ i: "1" }).text(placeholder("uuid:t"))).toBe(scope.text(placeholder("uuid:t")));
    expect(() => scope.text(placeholder("unknown"))).toThrow("unknown placeholder");
  });
});
