import { create } from "@bufbuild/protobuf";
import { CellSchema } from "@streamkit/protocol/conformance";
import { describe, expect, it } from "vitest";
import { parseCases } from "../corpus/load.ts";
import { runSuite } from "./suite.ts";

/** Runs steps against the server in this process. Returns the failure; an empty text if there is none. */
async function failureOf(steps: string): Promise<string> {
  const text = `cases: [{ id: STEPS, title: steps, clauses: [ORD-001], steps: [${steps}] }]`;
  const cells = [create(CellSchema, { backend: "memory", transport: "in-process", wrapper: "plain", client: "raw" })];
  const { results } = await runSuite({ cells, cases: parseCases(text), anyStore: true });
  return results[0]?.reason ?? "no result";
}

const lease = "{ call: AcquireLease, request: { holder: one, ttl: 1s } }";
const refused = "expect: { code: FAILED_PRECONDITION }";

describe("a call that is repeated until it fits", () => {
  it("continues until it fits", async () => {
    const again = "{ call: AcquireLease, request: { holder: two }, eventually: true, not_before: 1s, within: 10s }";
    expect(await failureOf(`${lease}, ${again}`)).toBe("");
  });

  it("fails when its time is over", async () => {
    const never = `{ call: GetStore, eventually: true, within: 0.1s, ${refused} }`;
    expect(await failureOf(never)).toContain("expected FAILED_PRECONDITION");
  });

  it("must not fit too soon", async () => {
    const early = "{ call: AcquireLease, request: { holder: one }, eventually: true, not_before: 5s }";
    expect(await failureOf(`${lease}, ${early}`)).toContain("expected not before 5000 ms");
  });
});

it("calls one after the other end at the first one that does not end", async () => {
  const endless = "{ call: ConsumeSegment, request: { follow: true }, times: 1000, within: 0.5s }";
  expect(await failureOf(endless)).toMatch(/the call did not end in \d+ ms/);
});

describe("a step that has to be in time", () => {
  const never = `{ call: GetStore, eventually: true, within: 0.1s, ${refused}`;

  it("proves nothing if it was too late, and the case begins again", async () => {
    const failure = await failureOf(`${lease}, ${never}, in_time: 0.05s }`);
    expect(failure).toMatch(/^too slow to prove anything in 5 attempts: .*expected FAILED_PRECONDITION/);
  });

  it("fails if it was in time, counted from the latest step other than a pause", async () => {
    const failure = await failureOf(`${lease}, { pause: 0.01s }, ${never}, in_time: 3600s }`);
    expect(failure).toMatch(/^step 3 .*expected FAILED_PRECONDITION/);
  });

  it("may be late if its expectation holds", async () => {
    expect(await failureOf(`{ call: GetServerInfo }, { pause: 0.1s }, { call: GetServerInfo, in_time: 0.1s }`)).toBe(
      "",
    );
  });
});

describe("an await", () => {
  const watch = "{ call: SubscribeToSegmentStatus, as: w, request: { heartbeat_interval: 0.1s } }";
  const append = "{ call: Append, request: { records: [a] } }";

  it.each([
    ["a response that fits", "until: { response: { snapshot_complete: {} } }, expect: { ended: false }"],
    ["a heartbeat", "until: { heartbeat: true }, expect: { response: { heartbeat: {} } }"],
    ["a status", "until: { latest: { seg: { last_sequence: 1 } } }, expect: { latest: { seg: { last_offset: 1 } } }"],
  ])("stops at %s", async (_, until) => {
    expect(await failureOf(`${append}, ${watch}, { await: w, ${until} }`)).toBe("");
  });

  it.each([
    ["a response that does not come", "until: { response: { status: { segment: b } } }", "not reached"],
    ["a status that does not come", "until: { latest: { seg: { last_sequence: 2 } } }", "not reached"],
    ["a segment too many", "until: { heartbeat: true }, expect: { latest: {} }", 'found those of "seg"'],
  ])("fails for %s", async (_, until, failure) => {
    expect(await failureOf(`${append}, ${watch}, { await: w, ${until}, within: 0.5s }`)).toContain(failure);
  });
});
