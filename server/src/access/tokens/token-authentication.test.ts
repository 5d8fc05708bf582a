/** Tokens that a server accepts and refuses, with secrets and public keys. */
import { generateKeyPairSync } from "node:crypto";
import { type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  bearing,
  claims,
  ecKey,
  now,
  requestWith,
  SECRET,
  type SigningKey,
  STORE,
  signed,
  signedWithSecret,
} from "../../../test/access/issuer.ts";
import type { StreamkitEvent } from "../../event.ts";
import { AccessDenied } from "../denial.ts";
import type { AccessRequest } from "../principal.ts";
import { type TokenAuthentication, tokenAuthentication } from "./token-authentication.ts";
import type { TokenOptions } from "./token-options.ts";

const key = ecKey("k1");
const PEM = key.publicKey.export({ type: "spki", format: "pem" }) as string;

afterEach(() => {
  vi.useRealTimers();
});

/** The refusal of a request, as reason and message. */
async function refusal(authenticate: TokenAuthentication, request: AccessRequest): Promise<string> {
  try {
    await authenticate(request);
  } catch (error) {
    if (!(error instanceof AccessDenied)) throw error;
    return `${error.reason}: ${error.message}`;
  }
  return "accepted";
}

const withSecret = (options: TokenOptions = {}) => tokenAuthentication({ secret: SECRET, ...options });
const withPublicKey = (options: TokenOptions = {}) => tokenAuthentication({ publicKey: PEM, ...options });
const es256 = (payload: JWTPayload, header: object) =>
  new SignJWT(payload).setProtectedHeader({ alg: "ES256", ...header }).sign(key.privateKey);

describe("a good token", () => {
  it("is a principal with subject, grants and end", async () => {
    const exp = now() + 600;
    const principal = await withSecret({ clockToleranceSeconds: 0 })(bearing(await signedWithSecret(claims({ exp }))));
    expect(principal).toMatchObject({ subject: "alice", expiresAt: exp * 1_000 });
    expect(principal.grants.allows("append", STORE)).toBe(true);
    expect(principal.grants.allows("admin", STORE)).toBe(false);
  });

  it("answers at once when it comes again", async () => {
    const authenticate = withSecret();
    const request = bearing(await signedWithSecret(claims()));
    const first = authenticate(request);
    expect(first).toBeInstanceOf(Promise);
    expect(authenticate(request)).toBe(first);
    const principal = await first;
    expect(authenticate(request)).toBe(principal);
  });

  it.each(["Bearer", "bearer", "BEARER"])("follows the scheme %s", async (scheme) => {
    const token = await signedWithSecret(claims());
    expect((await withSecret()(requestWith(`${scheme} ${token}`))).subject).toBe("alice");
  });

  it("may end later than all times of a Date", async () => {
    const principal = await withSecret()(bearing(await signedWithSecret(claims({ exp: 1e300 }))));
    expect(new Date(principal.expiresAt ?? Number.NaN).getTime()).toBe(8.64e15);
  });

  it("may be signed with the old or the new secret during a rotation", async () => {
    const authenticate = tokenAuthentication({ secret: ["new ".repeat(8), SECRET] });
    for (const secret of ["new ".repeat(8), SECRET]) {
      expect((await authenticate(bearing(await signedWithSecret(claims(), secret)))).subject).toBe("alice");
    }
  });

  it.each(["ES256", "ES384", "ES512", "RS256", "RS512", "PS256", "EdDSA", "Ed25519"])(
    "may be signed with %s",
    async (alg) => {
      const pair = keyPair(alg);
      const publicKey = pair.publicKey.export({ type: "spki", format: "pem" }) as string;
      const token = await signed(claims(), { id: "any", algorithm: alg, ...pair });
      expect((await tokenAuthentication({ publicKey })(bearing(token))).subject).toBe("alice");
    },
  );

  it("names the issuer in its subject if there are several", async () => {
    const authenticate = withSecret({ issuer: ["https://a.example", "https://b.example"] });
    const token = await signedWithSecret(claims({ iss: "https://b.example" }));
    expect((await authenticate(bearing(token))).subject).toBe("https://b.example alice");
  });

  it("reports entries that grant nothing, once in a while", async () => {
    const events: StreamkitEvent[] = [];
    const authenticate = withSecret({ onEvent: (event) => events.push(event) });
    for (const sub of ["bob", "carol"]) {
      await authenticate(bearing(await signedWithSecret(claims({ sub, scope: "streamkit::*:write" }))));
    }
    expect(events).toEqual([
      expect.objectContaining({
        kind: "token-grants",
        message: expect.stringMatching(
          /^a token of "bob" has entries that grant nothing: scope: "streamkit::\*:write" is/,
        ),
      }),
    ]);
    await authenticate.close();
    expect(events).toHaveLength(2);
  });
});

function keyPair(algorithm: string): Pick<SigningKey, "privateKey" | "publicKey"> {
  if (algorithm.startsWith("ES")) {
    const namedCurve = { ES256: "P-256", ES384: "P-384", ES512: "P-521" }[algorithm] ?? "";
    return generateKeyPairSync("ec", { namedCurve });
  }
  return algorithm.startsWith("Ed")
    ? generateKeyPairSync("ed25519")
    : generateKeyPairSync("rsa", { modulusLength: 2_048 });
}

describe("a server with a public key refuses", () => {
  const strict: TokenOptions = { issuer: "https://login.example", audience: "streamkit", type: "at+jwt" };
  const good = claims({ iss: "https://login.example", aud: ["other", "streamkit"] });
  const header = { typ: "at+jwt" };
  const EXPECTED_ALGORITHMS = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519";

  it("no good token", async () => {
    expect(await refusal(withPublicKey(strict), bearing(await es256(good, header)))).toBe("accepted");
  });

  const without = (claim: string) => ({ ...good, [claim]: undefined });
  const bad: [name: string, token: () => string | Promise<string>, refusal: string | RegExp][] = [
    ["garbage", () => "garbage", "it is not a JWT; expected three parts of base64url with dots between them"],
    ["dots", () => "..", "it is not a JWT; expected three parts of base64url with dots between them"],
    ["a header of garbage", () => "e30.e30.e30", `it is signed with absent; expected ${EXPECTED_ALGORITHMS}`],
    [
      "a wrong issuer",
      () => es256({ ...good, iss: "https://evil.example" }, header),
      'its issuer is "https://evil.example"; expected "https://login.example"',
    ],
    ["no issuer", () => es256(without("iss"), header), 'it has no claim "iss"'],
    [
      "a wrong audience",
      () => es256({ ...good, aud: ["billing"] }, header),
      'its audience is ["billing"]; expected "streamkit"',
    ],
    ["no audience", () => es256(without("aud"), header), 'it has no claim "aud"'],
    ["no exp", () => es256(without("exp"), header), 'it has no claim "exp"'],
    ["no sub", () => es256(without("sub"), header), 'it has no claim "sub"'],
    [
      "an empty sub",
      () => es256({ ...good, sub: "" }, header),
      'its claim "sub" is not a text; expected the name of the caller',
    ],
    ["exp as text", () => es256({ ...good, exp: "2099" as unknown as number }, header), 'its claim "exp" is "2099"'],
    [
      "a later nbf",
      () => es256({ ...good, nbf: 32_503_680_000 }, header),
      "it is not valid before 3000-01-01T00:00:00.000Z",
    ],
    ["the type of an id token", () => es256(good, { typ: "JWT" }), 'the type in its header is not "at+jwt"'],
    ["no type", () => es256(good, {}), 'the type in its header is not "at+jwt"'],
    [
      "another key",
      () => signed(good, ecKey("k1")),
      "its signature does not fit: another key signed it, or it was changed",
    ],
    ["alg none", () => new UnsecuredJWT(good).encode(), `it is signed with "none"; expected ${EXPECTED_ALGORITHMS}`],
    [
      "alg None",
      () => es256(good, header).then((token) => withHeader(token, { alg: "None" })),
      /it is signed with "None"/,
    ],
    [
      "the public key as a secret",
      () => signedWithSecret(good, PEM),
      `it is signed with "HS256"; expected ${EXPECTED_ALGORITHMS}`,
    ],
    [
      "an algorithm of another kind of key",
      () => es256(good, header).then((token) => withHeader(token, { alg: "RS256" })),
      "the server has no key for RS256",
    ],
    [
      "changed claims",
      () => es256(good, header).then((token) => withPayload(token, { ...good, scope: "streamkit::*" })),
      /its signature does not fit/,
    ],
    ["a cut signature", () => es256(good, header).then((token) => token.slice(0, -10)), /its signature does not fit/],
    [
      "no signature",
      () => es256(good, header).then((token) => token.replace(/[^.]*$/, "")),
      /its signature does not fit/,
    ],
    [
      "an extension",
      () => es256(good, header).then((token) => withHeader(token, { alg: "ES256", crit: ["x"], x: 1 })),
      /its header demands an extension/,
    ],
    [
      "a key id that is no text",
      () => es256(good, header).then((token) => withHeader(token, { alg: "ES256", kid: 7 })),
      "the key id in its header is not a text",
    ],
    ["an encrypted token", () => "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA", /it is signed with "dir"/],
    [
      "too many bytes",
      () => es256({ ...good, x: "x".repeat(8_192) }, header),
      /it has \d+ characters; expected at most 8192/,
    ],
    ["other characters", () => "a.b.c, a.b.c", "it has characters that no token has"],
  ];

  it.each(bad)("%s", async (_, token, message) => {
    const sent = await token();
    const found = await refusal(withPublicKey(strict), bearing(sent));
    const [, problem] = /^TOKEN_INVALID: the token is not valid: (.*)$/.exec(found) ?? [];
    if (typeof message === "string") expect(problem ?? found).toBe(message);
    else expect(problem ?? found).toMatch(message);
    for (const part of sent.split(".").filter((part) => part.length > 20)) expect(found).not.toContain(part);
  });

  it("an expired token, with its own reason and the time", async () => {
    const token = await es256({ ...good, exp: 1_767_225_600 }, header);
    expect(await refusal(withPublicKey(strict), bearing(token))).toBe(
      "TOKEN_EXPIRED: the token expired at 2026-01-01T00:00:00.000Z; get a new one",
    );
  });

  it("a token that is both expired and of a wrong key as of a wrong key", async () => {
    const token = await signed({ ...good, exp: 1 }, ecKey("k1"));
    expect(await refusal(withPublicKey(strict), bearing(token))).toMatch(/^TOKEN_INVALID/);
  });

  it.each([[null], [""], ["Bearer"], ["Bearer "], ["Basic dXNlcjpwYXNz"], ["eyJhbGciOiJub25lIn0.e30."]])(
    "no token: %j",
    async (header) => {
      const found = await refusal(withPublicKey(), requestWith(header));
      expect(found).toMatch(/^TOKEN_MISSING: .* expected the header "authorization: Bearer" with a token$/);
      expect(found).not.toMatch(/dXNlcj|eyJ/);
    },
  );
});

const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const withHeader = (token: string, header: object) => token.replace(/^[^.]*/, base64url(header));
const withPayload = (token: string, payload: object) => token.replace(/\.[^.]*\./, `.${base64url(payload)}.`);

describe("a server with a secret refuses", () => {
  it("a token of another secret", async () => {
    const token = await signedWithSecret(claims(), "x".repeat(32));
    expect(await refusal(withSecret(), bearing(token))).toMatch(/^TOKEN_INVALID: .*its signature does not fit/);
  });

  it("other algorithms than the pinned one", async () => {
    const token = await new SignJWT(claims()).setProtectedHeader({ alg: "HS512" }).sign(Buffer.from(SECRET.repeat(2)));
    expect(await refusal(tokenAuthentication({ secret: SECRET.repeat(2) }), bearing(token))).toMatch(
      'it is signed with "HS512"; expected HS256',
    );
    expect(await refusal(withSecret(), bearing(await signed(claims(), key)))).toMatch('it is signed with "ES256"');
  });

  it("an expired token from the cache", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1_767_225_600_000 });
    const authenticate = withSecret({ clockToleranceSeconds: 0 });
    const request = bearing(await signedWithSecret(claims({ exp: now() + 10 })));
    await authenticate(request);
    vi.setSystemTime(Date.now() + 9_999);
    expect(authenticate(request)).toMatchObject({ subject: "alice" });
    vi.setSystemTime(Date.now() + 1);
    expect(await refusal(authenticate, request)).toMatch(/^TOKEN_EXPIRED/);
  });

  it("to trust a check for more than a minute", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const authenticate = withSecret();
    const request = bearing(await signedWithSecret(claims()));
    await authenticate(request);
    vi.setSystemTime(Date.now() + 60_000);
    expect(authenticate(request)).toBeInstanceOf(Promise);
  });

  it("tolerates a difference of clocks", async () => {
    const late = await signedWithSecret(claims({ exp: now() - 20 }));
    const early = await signedWithSecret(claims({ nbf: now() + 20 }));
    for (const token of [late, early]) {
      expect(await refusal(withSecret({ clockToleranceSeconds: 60 }), bearing(token))).toBe("accepted");
      expect(await refusal(withSecret(), bearing(token))).toMatch(/^TOKEN_(EXPIRED|INVALID)/);
    }
  });
});
