/** Every RPC, from the descriptors, by every way in, with every kind of bad token: refused alike, with no effect. */
import { type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createStreamkit, type Streamkit, tokenAuthentication } from "../../src/index.ts";
import { METHODS } from "./calls.ts";
import { claims, ecKey, jwksOf, now, signed, signedWithSecret, startIssuer } from "./issuer.ts";
import { watchedStorage } from "./watched-storage.ts";
import { openWays } from "./ways.ts";

/** RPCs that need no credentials: health. */
const OPEN_TO_ALL = ["Check", "Watch", "List"];
const [key, other] = [ecKey("k1"), ecKey("k2")];
const PEM = key.publicKey.export({ type: "spki", format: "pem" }) as string;
const RULES = { issuer: "https://login.example", audience: "streamkit", type: "at+jwt", clockToleranceSeconds: 0 };

const good: JWTPayload = claims({ iss: RULES.issuer, aud: RULES.audience, scope: "streamkit::*" });
const made = (changes: JWTPayload, header: object = {}, signer = key) =>
  new SignJWT({ ...good, ...changes })
    .setProtectedHeader({ alg: "ES256", kid: signer.id, typ: RULES.type, ...header })
    .sign(signer.privateKey);

/** Bad tokens by name, each with the reason of its refusal. */
const BAD: Readonly<Record<string, readonly [token: string | Promise<string>, reason: string]>> = {
  garbage: ["garbage", "TOKEN_INVALID"],
  expired: [made({ exp: now() - 1 }), "TOKEN_EXPIRED"],
  "not yet valid": [made({ nbf: now() + 3_600 }), "TOKEN_INVALID"],
  "of another issuer": [made({ iss: "https://evil.example" }), "TOKEN_INVALID"],
  "for another audience": [made({ aud: "billing" }), "TOKEN_INVALID"],
  "of another key": [made({}, { kid: "k1" }, other), "TOKEN_INVALID"],
  "of an unknown key id": [made({}, {}, other), "TOKEN_INVALID"],
  "of another algorithm": [made({}).then((token) => withHeader(token, { alg: "RS256", kid: "k1" })), "TOKEN_INVALID"],
  "without a signature": [new UnsecuredJWT(good).encode(), "TOKEN_INVALID"],
  "signed with the public key as a secret": [signedWithSecret(good, PEM), "TOKEN_INVALID"],
  "without exp": [made({ exp: undefined }), "TOKEN_INVALID"],
  "of another type": [signed(good, key), "TOKEN_INVALID"],
  "with changed claims": [made({ sub: "eve" }).then(withOtherSubject), "TOKEN_INVALID"],
  "twice in one header": [made({}).then((token) => `${token}, Bearer ${token}`), "TOKEN_INVALID"],
  "too long": [made({ x: "x".repeat(8_192) }), "TOKEN_INVALID"],
};

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

function withHeader(token: string, header: object): string {
  return token.replace(/^[^.]*/, base64url(header));
}

function withOtherSubject(token: string): string {
  return token.replace(/\.[^.]*\./, `.${base64url({ ...good, sub: "root" })}.`);
}

const { storage, uses } = watchedStorage();
let streamkit: Streamkit;
let opened: Awaited<ReturnType<typeof openWays>>;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
beforeAll(async () => {
  issuer = await startIssuer();
  issuer.answer("/jwks", await jwksOf(key));
  const authenticate = tokenAuthentication({ ...RULES, jwksUrl: `${issuer.url}/jwks`, onEvent: () => undefined });
  // The sockets of this file stay open without credentials for as long as other ways take.
  const limits = { requestMillis: 600_000 };
  streamkit = createStreamkit({ storage, authenticate, limits, onEvent: () => undefined });
  opened = await openWays(streamkit);
});
afterAll(async () => {
  opened.close();
  await streamkit.close();
  await issuer[Symbol.asyncDispose]();
});

it.each(Object.keys(BAD))(
  "a token %s is refused for every RPC, on every way, in the same words",
  async (name) => {
    const [made, reason] = BAD[name] ?? expect.unreachable();
    const token = await made;
    const before = uses().length;
    const texts = new Set<string>();
    for (const way of opened.ways) {
      const methods = METHODS.filter(({ methodKind }) => way.bidi || methodKind !== "bidi_streaming");
      const closed = methods.filter((method) => !OPEN_TO_ALL.includes(method.name));
      await Promise.all(
        closed.map(async (method) => {
          const outcome = await way.call(method, `Bearer ${token}`);
          expect(outcome, `${method.name} by ${way.name}`).toMatchObject({ code: "Unauthenticated", reason });
          expect(outcome.challenge).toMatch(/^Bearer error="invalid_token", /);
          texts.add(outcome.text);
        }),
      );
    }
    expect([...texts]).toHaveLength(1);
    for (const part of token.split(".").filter((part) => part.length > 10)) expect([...texts][0]).not.toContain(part);
    expect(uses().slice(before)).toEqual([]);
  },
  300_000,
);

it("the good token among them is accepted on every way", async () => {
  const token = await made({});
  const method = METHODS.find(({ name }) => name === "ListStores") ?? expect.unreachable();
  for (const way of opened.ways) expect((await way.call(method, `Bearer ${token}`)).code, way.name).toBe("ok");
}, 300_000);
