import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Grant, type NameLimit, type NameSelection, VERBS, type Verb } from "./grant.ts";
import { Grants } from "./grants.ts";

const STORES = ["6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "00000000-0000-4000-8000-00000000000a"] as const;
const [STORE, OTHER] = STORES;
const NAMES = ["a", "ab", "abc", "b", "ba", "*"] as const;

const verb = fc.constantFrom(...VERBS);
const limit = fc.oneof(
  fc.record({ exact: fc.constantFrom(...NAMES) }),
  fc.record({ prefix: fc.constantFrom(...NAMES) }),
) satisfies fc.Arbitrary<NameLimit>;
const grant: fc.Arbitrary<Grant> = fc.record(
  {
    store: fc.constantFrom("*", ...STORES),
    space: limit,
    segment: limit,
    verbs: fc.uniqueArray(verb, { minLength: 1 }),
    bind: fc.boolean(),
  },
  { requiredKeys: ["store"] },
);
const name = fc.constantFrom(...NAMES);
const selection: fc.Arbitrary<NameSelection | undefined> = fc.oneof(
  fc.constant(undefined),
  name,
  fc.record({ prefix: name }),
);

/** A call of `Grants.allows`. */
interface Operation {
  readonly verb: Verb;
  readonly store: string;
  readonly space: NameSelection | undefined;
  readonly segment: NameSelection | undefined;
}

const operation: fc.Arbitrary<Operation> = fc.record({
  verb,
  store: fc.constantFrom(...STORES),
  space: selection,
  segment: selection,
});

const allows = (grants: Grants, { verb, store, space, segment }: Operation) =>
  grants.allows(verb, store, space, segment);

/** Whether one grant covers an operation, from its definition and by way of all names. */
function model(grant: Grant, { verb, store, space, segment }: Operation): boolean {
  const verbs = grant.verbs ?? ["read", "append", "trim", "coordinate"];
  if (!verbs.includes(verb) || (grant.store !== "*" && grant.store !== store)) return false;
  return within(grant.space, space) && within(grant.segment, segment);
}

function within(limit: NameLimit | undefined, selected: NameSelection | undefined): boolean {
  if (limit === undefined) return true;
  if (selected === undefined) return false;
  const has = (name: string) => ("exact" in limit ? limit.exact === name : name.startsWith(limit.prefix));
  if (typeof selected === "string") return has(selected);
  // A prefix selects names without end, so try some that no limit of the test lists.
  return ["", "x", "xy", "\u{10000}"].every((rest) => has(selected.prefix + rest));
}

describe("grants", () => {
  it("allow an operation if one grant alone covers all of it", () => {
    fc.assert(
      fc.property(fc.array(grant, { maxLength: 4 }), operation, (grants, operation) => {
        const expected = grants.some((grant) => model(grant, operation));
        expect(allows(Grants.of(grants), operation)).toBe(expected);
        expect(allows(Grants.parse({ streamkit: grants }), operation)).toBe(expected);
      }),
    );
  });

  it("never allow more with fewer verbs or with another limit", () => {
    fc.assert(
      fc.property(grant, operation, verb, limit, (grant, operation, dropped, limit) => {
        const verbs = (grant.verbs ?? VERBS).filter((verb) => verb !== dropped);
        const narrower: Grant[] = [
          ...(grant.space ? [] : [{ ...grant, space: limit }]),
          ...(grant.segment ? [] : [{ ...grant, segment: limit }]),
          ...(grant.verbs && verbs.length > 0 ? [{ ...grant, verbs }] : []),
          ...(grant.store === "*" ? [{ ...grant, store: STORE }] : []),
        ];
        for (const other of narrower) {
          if (allows(Grants.of([other]), operation)) expect(allows(Grants.of([grant]), operation)).toBe(true);
        }
      }),
    );
  });

  it("without verbs allow all verbs except admin", () => {
    for (const grants of [
      Grants.of([{ store: STORE }]),
      Grants.parse({ scope: `streamkit::${STORE}` }),
      Grants.parse({ scope: "streamkit::*" }),
    ]) {
      expect(VERBS.filter((verb) => grants.allows(verb, STORE))).toEqual(["read", "append", "trim", "coordinate"]);
    }
  });

  it("of one verb allow no other verb, also of admin", () => {
    for (const verb of VERBS) {
      for (const grants of [
        Grants.of([{ store: STORE, verbs: [verb] }]),
        Grants.parse({ scope: `streamkit::${STORE}:${verb}` }),
        Grants.parse({ scope: `streamkit::*:${verb}` }),
      ]) {
        expect(VERBS.filter((other) => grants.allows(other, STORE))).toEqual([verb]);
      }
    }
  });

  it("all allow everything, none allow nothing", () => {
    for (const verb of VERBS) {
      expect(Grants.all.allows(verb, STORE)).toBe(true);
      expect(Grants.all.allowsAnyStore(verb)).toBe(true);
      expect(Grants.none.allows(verb, STORE, "a", "a")).toBe(false);
      expect(Grants.none.allowsAnyStore(verb)).toBe(false);
    }
    expect(VERBS.filter((verb) => Grants.none.coversStore(verb, STORE))).toEqual([]);
  });

  it("compare UUIDs of stores without case", () => {
    expect(Grants.parse({ scope: `streamkit::${STORE.toUpperCase()}` }).allows("read", STORE)).toBe(true);
    expect(Grants.of([{ store: STORE }]).allows("read", STORE.toUpperCase())).toBe(true);
  });

  it("of one store allow nothing on a store with the name *", () => {
    expect(Grants.of([{ store: STORE }]).allows("read", "*")).toBe(false);
    expect(Grants.of([{ store: STORE }]).allowsAnyStore("read")).toBe(false);
  });

  it("bind only if all grants that allow the operation bind", () => {
    const bound: Grant = { store: STORE, bind: true };
    expect(Grants.of([bound]).binds(STORE)).toBe(true);
    expect(Grants.of([bound]).binds(OTHER)).toBe(false);
    expect(Grants.of([bound, { store: "*" }]).binds(STORE)).toBe(false);
    expect(Grants.of([bound, { store: STORE, verbs: ["read"] }]).binds(STORE)).toBe(true);
    expect(Grants.of([bound, { store: STORE, space: { exact: "a" } }]).binds(STORE)).toBe(true);
    expect(Grants.all.binds(STORE)).toBe(false);
  });
});

describe("lists show", () => {
  it("the stores of which a grant covers a part", () => {
    const grants = Grants.of([{ store: STORE, space: { exact: "a" }, verbs: ["append"] }]);
    expect(VERBS.filter((verb) => grants.coversStore(verb, STORE))).toEqual(["append"]);
    expect(VERBS.filter((verb) => grants.coversStore(verb, OTHER))).toEqual([]);
    expect(grants.stores("append")).toEqual([STORE]);
    expect(grants.stores("read")).toEqual([]);
    expect(Grants.parse({ scope: "streamkit::*:read" }).stores("read")).toBe(undefined);
    expect(Grants.parse({ scope: "streamkit::*:read" }).stores("trim")).toEqual([]);
    expect(Grants.of([{ store: STORE }, { store: OTHER.toUpperCase() }]).stores("read")).toEqual([OTHER, STORE]);
  });

  it("the spaces and segments that grants allow, and spaces with such segments", () => {
    fc.assert(
      fc.property(fc.array(grant, { maxLength: 4 }), verb, fc.constantFrom(...STORES), (given, verb, store) => {
        const grants = Grants.of(given);
        const spaces = selects(grants.spaceLimits(verb, store));
        for (const space of NAMES) {
          const segments = selects(grants.segmentLimits(verb, store, space));
          for (const segment of NAMES) expect(segments(segment)).toBe(grants.allows(verb, store, space, segment));
          const part =
            grants.allows(verb, store, space) || given.some((grant) => coversPart(grant, verb, store, space));
          expect(spaces(space)).toBe(part);
          expect(grants.coversSpace(verb, store, space)).toBe(part);
        }
      }),
    );
  });

  it("everything if a grant has no limit", () => {
    const grants = Grants.of([{ store: STORE }, { store: "*", space: { exact: "a" } }]);
    expect(grants.spaceLimits("read", STORE)).toBe(undefined);
    expect(grants.segmentLimits("read", STORE, "b")).toBe(undefined);
    expect(grants.segmentLimits("read", OTHER, "a")).toBe(undefined);
    expect(grants.spaceLimits("read", OTHER)).toEqual([{ exact: "a" }]);
    expect(grants.segmentLimits("read", OTHER, "b")).toEqual([]);
  });

  it("nothing of a verb that no grant has", () => {
    const grants = Grants.of([{ store: STORE, verbs: ["append"] }]);
    expect(VERBS.filter((verb) => grants.has(verb))).toEqual(["append"]);
    expect(VERBS.filter((verb) => Grants.none.has(verb))).toEqual([]);
  });
});

function selects(limits: readonly NameLimit[] | undefined): (name: string) => boolean {
  return (name) => limits === undefined || limits.some((limit) => within(limit, name));
}

function coversPart(grant: Grant, verb: Verb, store: string, space: string): boolean {
  const segment = grant.segment && ("exact" in grant.segment ? grant.segment.exact : grant.segment.prefix);
  return model(grant, { verb, store, space, segment: segment ?? "a" });
}

describe("claims", () => {
  const allowed = (claims: object) => {
    const grants = Grants.parse(claims);
    return [STORE, OTHER].flatMap((store) => VERBS.filter((verb) => grants.allows(verb, store, "a", "a")));
  };

  it.each(["scope", "scp", "permissions"])("%s is a text or a list", (claim) => {
    const scopes = ["openid", `streamkit::${STORE}:read`, `streamkit::${OTHER}:trim`];
    expect(allowed({ [claim]: scopes.join(" ") })).toEqual(["read", "trim"]);
    expect(allowed({ [claim]: scopes })).toEqual(["read", "trim"]);
    expect(Grants.parse({ [claim]: scopes }).problems).toEqual([]);
  });

  it("add up", () => {
    expect(
      allowed({
        scope: `streamkit::${STORE}:read`,
        scp: [`streamkit::${STORE}:append`],
        permissions: [`streamkit::${STORE}:trim`],
        streamkit: [{ store: STORE, verbs: ["admin"] }],
      }),
    ).toEqual(["read", "append", "trim", "admin"]);
  });

  it.each([
    ["streamkit::"],
    ["streamkit::**"],
    ["streamkit::* :read".replace(" ", "\t")],
    ["streamkit::*:"],
    ["streamkit::*:write"],
    ["streamkit::*:Read"],
    ["streamkit::*:read:append"],
    ["streamkit::*:read,append"],
    [`streamkit::${STORE}x`],
    [`streamkit::{${STORE}}`],
    [`streamkit::${STORE.replaceAll("-", "")}`],
    ["streamkit::*:toString"],
  ])("scope %j grants nothing and is a problem", (scope) => {
    const grants = Grants.parse({ scope });
    expect(allowed({ scope })).toEqual([]);
    expect(grants.problems).toEqual([
      `scope: ${JSON.stringify(scope)} is not a scope; expected streamkit::* or streamkit::{store UUID}, and optionally one of :read, :append, :trim, :coordinate, :admin`,
    ]);
  });

  it.each([
    [7, /is 7|7 is not a grant/],
    [null, /null is not a grant; expected an object/],
    ["streamkit::*", /"streamkit::\*" is not a grant/],
    [[], /\[\] is not a grant/],
    [{}, /store is absent; expected a UUID or "\*"/],
    [{ store: "" }, /store is ""/],
    [{ store: "all" }, /store is "all"/],
    [{ store: "*", spaces: { exact: "a" } }, /"spaces" is not a key of a grant; expected store, space/],
    [{ store: "*", verbs: [] }, /verbs is \[\]; expected a list of read, append/],
    [{ store: "*", verbs: "read" }, /verbs is "read"/],
    [{ store: "*", verbs: ["read", "write"] }, /verbs is \["read","write"\]/],
    [{ store: "*", verbs: null }, /verbs is null/],
    [{ store: "*", space: null }, /space is null; expected \{"exact": "name"\} or/],
    [{ store: "*", space: "a" }, /space is "a"/],
    [{ store: "*", space: {} }, /space is \{\}/],
    [{ store: "*", space: { prefix: "" } }, /space is \{"prefix":""\}/],
    [{ store: "*", space: { exact: "" } }, /space is/],
    [{ store: "*", space: { exact: "a", prefix: "a" } }, /space is/],
    [{ store: "*", space: { suffix: "a" } }, /space is/],
    [{ store: "*", segment: { exact: ["a"] } }, /segment is/],
    [{ store: "*", bind: "yes" }, /bind is "yes"; expected true or false/],
    [JSON.parse('{"store":"*","__proto__":{}}'), /"__proto__" is not a key/],
  ])("grant %j grants nothing and is a problem", (grant, problem) => {
    const grants = Grants.parse({ streamkit: [grant] });
    expect(allowed({ streamkit: [grant] })).toEqual([]);
    expect(grants.problems).toEqual([expect.stringMatching(/^streamkit\[0\]: /)]);
    expect(grants.problems[0]).toMatch(problem);
    expect(() => Grants.of([grant as Grant])).toThrow(problem);
  });

  it("a malformed entry beside good ones changes nothing", () => {
    fc.assert(
      fc.property(fc.array(grant, { maxLength: 3 }), fc.anything(), operation, (given, bad, operation) => {
        fc.pre(Grants.parse({ streamkit: [bad] }).problems.length === 1);
        expect(allows(Grants.parse({ streamkit: [bad, ...given, bad] }), operation)).toBe(
          allows(Grants.of(given), operation),
        );
      }),
    );
  });

  it("of any form never throw, and grant nothing by accident", () => {
    const claims = fc.record(
      { scope: fc.anything(), scp: fc.anything(), permissions: fc.anything(), streamkit: fc.anything() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(claims, operation, (claims, operation) => {
        expect(allows(Grants.parse(claims), operation)).toBe(false);
      }),
    );
  });

  it("make messages of bounded length and number", () => {
    const grants = Grants.parse({
      scope: Array(100)
        .fill(`streamkit::${"x".repeat(1_000)}`)
        .join(" "),
    });
    expect(grants.problems).toHaveLength(16);
    for (const problem of grants.problems) expect(problem.length).toBeLessThan(250);
  });
});
