/** Every kind of token on every way in, for a unary call, a read that streams, and a session. */
import { generateKeyPairSync } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { StoreService, StreamService } from "@streamkit/protocol";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createStreamkit, type Streamkit, tokenAuthentication } from "../../src/index.ts";
import { type Outcome, requestOf, STORE } from "./calls.ts";
import { claims, ecKey, type IssuerServer, jwkOf, now, signed, startIssuer } from "./issuer.ts";
import { watchedStorage } from "./watched-storage.ts";
import { openWays } from "./ways.ts";

const AUDIENCE = "streams.example";
const OTHER_STORE = "00000000-0000-4000-8000-00000000000a";
const METHODS = [
  StreamService.method.append,
  StreamService.method.consumeSegment,
  StreamService.method.produce,
  StoreService.method.getServerInfo,
];

const { storage, uses } = watchedStorage();
let issuer: IssuerServer;
let streamkit: Streamkit;
let opened: Awaited<ReturnType<typeof openWays>>;
/** Kinds of credentials, each with the reason of its refusal; "" for good ones. */
let kinds: readonly (readonly [kind: string, reason: string, authorization: string | undefined])[];
beforeAll(async () => {
  issuer = await startIssuer();
  const key = ecKey("k1");
  const foreign = ecKey("k1");
  const p384 = { id: "k1", algorithm: "ES384", ...generateKeyPairSync("ec", { namedCurve: "P-384" }) };
  issuer.answer("/keys", { keys: [await jwkOf(key)] });
  const authenticate = tokenAuthentication({
    jwksUrl: `${issuer.url}/keys`,
    issuer: issuer.url,
    audience: AUDIENCE,
    onEvent: () => undefined,
  });
  const limits = { requestMillis: 600_000, headerMillis: 60_000 };
  streamkit = createStreamkit({ storage, authenticate, limits, onEvent: () => undefined });
  opened = await openWays(streamkit);
  await createClient(StreamService, streamkit.transport()).append(requestOf(StreamService.method.append) as never);

  const good = { iss: issuer.url, aud: AUDIENCE };
  const token = (changes: object, signer = key) => signed(claims({ ...good, ...changes }), signer);
  const pem = key.publicKey.export({ type: "spki", format: "pem" });
  const bySecret = new SignJWT(claims(good)).setProtectedHeader({ alg: "HS256", kid: "k1" });
  const { exp: _, ...withoutEnd } = claims(good);
  const right = await token({});
  kinds = (
    [
      ["none", "TOKEN_MISSING", undefined],
      ["another scheme", "TOKEN_MISSING", "Basic YWxpY2U6c2VjcmV0"],
      ["garbage", "TOKEN_INVALID", "Bearer garbage"],
      ["an empty token", "TOKEN_MISSING", "Bearer "],
      ["two tokens", "TOKEN_INVALID", `Bearer ${right}, Bearer ${right}`],
      ["a changed token", "TOKEN_INVALID", `Bearer ${right.slice(0, -4)}AAAA`],
      ["expired", "TOKEN_EXPIRED", `Bearer ${await token({ exp: now() - 60 })}`],
      ["not valid yet", "TOKEN_INVALID", `Bearer ${await token({ nbf: now() + 600 })}`],
      ["wrong issuer", "TOKEN_INVALID", `Bearer ${await token({ iss: "https://evil.example" })}`],
      ["wrong audience", "TOKEN_INVALID", `Bearer ${await token({ aud: "other.example" })}`],
      ["foreign key", "TOKEN_INVALID", `Bearer ${await token({}, foreign)}`],
      ["wrong algorithm", "TOKEN_INVALID", `Bearer ${await token({}, p384)}`],
      ["unknown key id", "TOKEN_INVALID", `Bearer ${await token({}, { ...foreign, id: "k2" })}`],
      ["alg none", "TOKEN_INVALID", `Bearer ${new UnsecuredJWT(claims(good)).encode()}`],
      ["signed with the public key", "TOKEN_INVALID", `Bearer ${await bySecret.sign(Buffer.from(pem))}`],
      ["no end", "TOKEN_INVALID", `Bearer ${await signed(withoutEnd, key)}`],
      ["other store", "PERMISSION_DENIED", `Bearer ${await token({ scope: `streamkit::${OTHER_STORE}` })}`],
      ["no scope", "PERMISSION_DENIED", `Bearer ${await token({ scope: "openid" })}`],
      ["trim only", "PERMISSION_DENIED", `Bearer ${await token({ scope: `streamkit::${STORE}:trim` })}`],
      ["right", "", `Bearer ${right}`],
      ["right for all stores", "", `bearer ${await token({ scope: "streamkit::*" })}`],
    ] as const
  ).map(([kind, reason, authorization]) => [kind, reason, authorization] as const);
}, 60_000);
afterAll(async () => {
  opened.close();
  await streamkit.close();
  await issuer[Symbol.asyncDispose]();
});

it("answers equally on all ways, and a refused call has no effect", async () => {
  const before = uses().length;
  for (const [kind, reason, authorization] of kinds.filter(([, reason]) => reason !== "")) {
    const byMethod = new Map<string, Outcome>();
    for (const way of opened.ways) {
      for (const method of METHODS) {
        // GetServerInfo asks for no right.
        const expected = method.name === "GetServerInfo" && reason === "PERMISSION_DENIED" ? "" : reason;
        if (method.methodKind === "bidi_streaming" && !way.bidi) continue;
        const outcome = await way.call(method, authorization);
        expect(outcome.reason, `${method.name} with ${kind} by ${way.name}: ${outcome.text}`).toBe(expected);
        expect(outcome, `${method.name} with ${kind} by ${way.name}`).toEqual(byMethod.get(method.name) ?? outcome);
        byMethod.set(method.name, outcome);
        expect(JSON.stringify(outcome)).not.toContain("eyJ");
      }
    }
  }
  expect(uses().slice(before)).toEqual([]);
}, 300_000);

it("lets good tokens in, on all ways", async () => {
  for (const [kind, , authorization] of kinds.filter(([, reason]) => reason === "")) {
    for (const way of opened.ways) {
      for (const method of METHODS.filter(({ methodKind }) => way.bidi || methodKind !== "bidi_streaming")) {
        expect(await way.call(method, authorization), `${method.name} with ${kind} by ${way.name}`).toMatchObject({
          code: "ok",
        });
      }
    }
  }
}, 300_000);
