import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { CredentialsSchema } from "@streamkit/protocol/conformance";
import { tokenAuthentication } from "@streamkit/server";
import { describe, expect, it } from "vitest";
import { makeToken, tokenForAll } from "./credentials.ts";

const SECRET = "a secret of at least thirty-two bytes";
const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const authenticate = tokenAuthentication({ secret: SECRET, onEvent: () => {} });

function principalOf(token: string) {
  const headers = new Headers(token === "" ? {} : { authorization: `Bearer ${token}` });
  return authenticate({ headers, transport: "http" });
}

describe("the credentials of an actor", () => {
  it("are a token with the grants, the name of the actor and an hour of life", async () => {
    const grants = [{ store: STORE, verbs: ["read"] }];
    const principal = await principalOf(makeToken(SECRET, "reader", create(CredentialsSchema, { grants })));
    expect(principal.subject).toBe("reader");
    expect(principal.grants.allows("read", STORE)).toBe(true);
    expect(principal.grants.allows("append", STORE)).toBe(false);
    expect(principal.expiresAt).toBeGreaterThan(Date.now() + 3_000_000);
  });

  it("have the given subject and lifetime", async () => {
    const given = create(CredentialsSchema, { subject: "orders", lifetime: durationFromMs(86_400_000) });
    const principal = await principalOf(makeToken(SECRET, "after", given));
    expect(principal.subject).toBe("orders");
    expect(principal.expiresAt).toBeGreaterThan(Date.now() + 80_000_000);
  });

  it.each([
    ["none", "TOKEN_MISSING"],
    ["garbage", "TOKEN_INVALID"],
    ["foreign", "TOKEN_INVALID"],
    ["unsigned", "TOKEN_INVALID"],
    ["changed", "TOKEN_INVALID"],
    ["early", "TOKEN_INVALID"],
    ["endless", "TOKEN_INVALID"],
    ["expired", "TOKEN_EXPIRED"],
  ])("with the fault %s cause %s", async (fault, reason) => {
    const token = makeToken(SECRET, "stranger", create(CredentialsSchema, { fault, grants: [{ store: STORE }] }));
    await expect(async () => await principalOf(token)).rejects.toMatchObject({ reason });
  });

  it("have no other fault", () => {
    const given = create(CredentialsSchema, { fault: "stolen" });
    expect(() => makeToken(SECRET, "stranger", given)).toThrow("no fault stolen");
  });
});

it("the token of a cell allows everything", async () => {
  const { grants } = await principalOf(tokenForAll(SECRET));
  expect(
    (["read", "append", "trim", "coordinate", "admin"] as const).every((verb) => grants.allowsAnyStore(verb)),
  ).toBe(true);
});
