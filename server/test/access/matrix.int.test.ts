/**
 * Every RPC, from the descriptors, by every way in, with every kind of credentials: the same answer everywhere, and no
 * effect of a refused call.
 */
import { create, type DescMethod } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { AppendRequestSchema, StreamService } from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, type Streamkit } from "../../src/index.ts";
import { METHODS, type Outcome, requestOf, STORE } from "./calls.ts";
import { authenticate, TOKENS } from "./credentials.ts";
import { watchedStorage } from "./watched-storage.ts";
import { openWays, type Way } from "./ways.ts";

/** The grant that each RPC needs on the parts that its request names: a verb, and the smallest part that suffices. */
const NEEDS: Readonly<
  Record<string, readonly [verb: string, part: "store" | "part" | "space" | "inside" | "segment"]>
> = {
  ListStores: ["read", "part"],
  GetStore: ["read", "part"],
  DeleteStore: ["admin", "store"],
  Append: ["append", "segment"],
  Produce: ["append", "segment"],
  Peek: ["read", "segment"],
  ReadSegment: ["read", "segment"],
  ConsumeSegment: ["read", "segment"],
  GetSegmentStatus: ["read", "segment"],
  SubscribeToSegmentStatus: ["read", "segment"],
  ReadSpace: ["read", "space"],
  ConsumeSpace: ["read", "space"],
  Consume: ["read", "space"],
  GetSpaceStatus: ["read", "space"],
  ListSpaces: ["read", "part"],
  ListSegments: ["read", "inside"],
  TrimSegment: ["trim", "segment"],
  DeleteSegment: ["trim", "segment"],
  DeleteSpace: ["trim", "space"],
  ...Object.fromEntries(
    ["AcquireLease", "RenewLease", "ReleaseLease", "GetLease", "ListLeases"]
      .concat(["GetCursor", "CommitCursor", "ListCursors", "DeleteCursor"])
      .concat(["SubscribeToWorkers", "RenewWorker", "ListWorkers"])
      .map((name) => [name, ["coordinate", "store"]] as const),
  ),
};
const OPEN_TO_ALL = ["Check", "Watch", "List"];
const OPEN_TO_PRINCIPALS = ["GetServerInfo", "ServerReflectionInfo"];

/** The parts that suffice for a token with limits. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  "own space": ["part", "inside", "space", "segment"],
  "foreign space": ["part"],
  "own segment": ["part", "inside", "segment"],
  "foreign segment": ["part", "inside"],
};

const MISSING = { code: "Unauthenticated", reason: "TOKEN_MISSING", challenge: "Bearer" };
const INVALID = { code: "Unauthenticated", reason: "TOKEN_INVALID" };
const EXPIRED = { code: "Unauthenticated", reason: "TOKEN_EXPIRED" };
const DENIED = { code: "PermissionDenied", reason: "PERMISSION_DENIED" };
const UNAVAILABLE = { code: "Unavailable", reason: "AUTHENTICATION_UNAVAILABLE", challenge: null };

/** Returns the refusal of a call; undefined if its principal may call. */
function refusalOf({ name }: DescMethod, token: string | undefined): Partial<Outcome> | undefined {
  if (OPEN_TO_ALL.includes(name)) return undefined;
  if (token === undefined) return MISSING;
  if (token === "garbage" || token === "") return INVALID;
  if (token.startsWith("expired") || token === "revoked principal") return EXPIRED;
  if (token === "outage" || token === "defect" || token === "no principal") return UNAVAILABLE;
  if (OPEN_TO_PRINCIPALS.includes(name) || token === "right" || token === "one store") return undefined;
  const [verb, part] = NEEDS[name] ?? expect.unreachable(`${name} has no row in NEEDS`);
  if (token === "no grants") return DENIED;
  if (token === "other store") return name === "ListStores" ? undefined : DENIED;
  if (token === "read only") return verb === "read" ? undefined : DENIED;
  if (token.startsWith("without ")) return token === `without ${verb}` ? DENIED : undefined;
  return PARTS[token].includes(part) ? undefined : DENIED;
}

const KINDS = [undefined, "garbage", "", "expired", "outage", "defect", ...TOKENS];
/** Kinds for the slower parts: calls that succeed, and a gate that takes time. */
const SOME_KINDS = [undefined, "right", "read only", "own space", "own segment", "foreign space"];
const LATE_KINDS = ["garbage", "defect", "other store", "without append", "foreign segment"];
const { storage, uses } = watchedStorage();
const events: string[] = [];
let streamkit: Streamkit;
let opened: Awaited<ReturnType<typeof openWays>>;
beforeAll(async () => {
  // The sockets of this file stay open without credentials for as long as other ways take.
  const limits = { requestMillis: 600_000 };
  streamkit = createStreamkit({ storage, authenticate, limits, onEvent: ({ message }) => events.push(message) });
  opened = await openWays(streamkit);
  const trusted = createClient(StreamService, streamkit.transport());
  await trusted.append(requestOf(StreamService.method.append) as never);
});
afterAll(async () => {
  opened.close();
  await streamkit.close();
});

const authorizationOf = (token: string | undefined, late: boolean) =>
  token === undefined ? undefined : `Bearer ${token}${late ? " later" : ""}`;

/** Calls that a way can carry: Connect's transport for HTTP/1.1 refuses requests that stream. */
const carried = (way: Way) => METHODS.filter(({ methodKind }) => way.bidi || methodKind !== "bidi_streaming");

describe.each(["at once", "later"])("a gate that answers %s", (when) => {
  const late = when === "later";

  it("refuses the same calls on every way, in the same words, and nothing happens", async () => {
    const before = uses().length;
    const byCall = new Map<string, Outcome>();
    const check = async (way: Way, method: DescMethod, token: string | undefined) => {
      const expected = refusalOf(method, token);
      if (expected === undefined) return;
      const call = `${method.name} with ${token}`;
      const outcome = await way.call(method, authorizationOf(token, late));
      expect(outcome, `${call} by ${way.name}`).toMatchObject(expected);
      expect(outcome, `${call} by ${way.name}`).toEqual(byCall.get(call) ?? outcome);
      byCall.set(call, outcome);
      if (expected === INVALID || expected === EXPIRED)
        expect(outcome.challenge).toMatch(/^Bearer error="invalid_token", /);
      if (expected === DENIED) expect(outcome.challenge).toMatch(/^Bearer error="insufficient_scope", /);
      expect(outcome.text).not.toContain("secret");
    };
    for (const way of opened.ways) {
      const kinds = late ? LATE_KINDS : KINDS;
      for (const token of kinds) await Promise.all(carried(way).map((method) => check(way, method, token)));
    }
    expect(byCall.size).toBeGreaterThan(late ? 100 : 300);
    expect(uses().slice(before)).toEqual([]);
  }, 300_000);

  it("lets the other calls in, on every way", async () => {
    // Deletions come last, so that the other calls meet the store.
    const order = (method: DescMethod) => ["DeleteSegment", "DeleteSpace", "DeleteStore"].indexOf(method.name);
    for (const way of opened.ways) {
      const methods = carried(way).toSorted((a, b) => order(a) - order(b));
      for (const token of late ? ["right"] : SOME_KINDS) {
        const allowed = methods.filter((method) => refusalOf(method, token) === undefined);
        for (const method of allowed) {
          const { code, reason } = await way.call(method, authorizationOf(token, late));
          expect(
            ["Unauthenticated", "PermissionDenied", "Internal", "Unimplemented", "Canceled"],
            `${method.name} with ${token} by ${way.name}: ${reason}`,
          ).not.toContain(code);
        }
      }
    }
  }, 300_000);

  it("answers for a store id that is no UUID as without limits", async () => {
    for (const way of opened.ways) {
      for (const storeId of ["", "no-uuid", "*"]) {
        const init = { ...requestOf(StreamService.method.append), storeId } as never;
        const append = create(AppendRequestSchema, init);
        const authorization = authorizationOf("own segment", late);
        const outcome = await way.call(StreamService.method.append, authorization, append);
        expect(outcome, `${storeId} by ${way.name}`).toMatchObject({
          code: "InvalidArgument",
          reason: "INVALID_FIELD",
        });
      }
    }
  });

  it("answers for a foreign store as for an absent one", async () => {
    const foreign = { ...requestOf(StreamService.method.append), storeId: STORE } as never;
    const absent = { ...requestOf(StreamService.method.append), storeId: "11111111-2222-4333-8444-555555555555" };
    for (const way of opened.ways) {
      const call = (init: never) =>
        way.call(StreamService.method.append, authorizationOf("other store", late), create(AppendRequestSchema, init));
      const [first, second] = [await call(foreign), await call(absent as never)];
      const named = second.text.replace("11111111-2222-4333-8444-555555555555", STORE);
      expect({ ...second, text: named, challenge: "" }).toEqual({ ...first, challenge: "" });
    }
  });
});

it("reports defects of authenticate to the operator, and to nobody else", () => {
  expect(events.filter((message) => message.includes("authenticate failed")).length).toBeGreaterThan(0);
});

it("every RPC has a row in the table above", () => {
  for (const method of METHODS) expect(refusalOf(method, "no grants"), method.name).toSatisfy(() => true);
  expect(METHODS.length).toBe(Object.keys(NEEDS).length + OPEN_TO_ALL.length + OPEN_TO_PRINCIPALS.length + 1);
});
