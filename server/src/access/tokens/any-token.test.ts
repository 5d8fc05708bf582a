/** Tokens of any form: each is refused as a bad token, and never as a defect of the server. */
import fc from "fast-check";
import { CompactSign } from "jose";
import { expect, it } from "vitest";
import { bearing, claims, ecKey, now, requestWith, SECRET, STORE, signed } from "../../../test/access/issuer.ts";
import { AccessDenied } from "../denial.ts";
import type { AccessRequest } from "../principal.ts";
import { tokenAuthentication } from "./token-authentication.ts";

const key = ecKey("k1");
const publicKey = key.publicKey.export({ type: "spki", format: "pem" }) as string;
const servers = [
  tokenAuthentication({ publicKey, issuer: "a", audience: "b", type: "at+jwt", onEvent: () => undefined }),
  tokenAuthentication({ publicKey, onEvent: () => undefined }),
  tokenAuthentication({ secret: SECRET, onEvent: () => undefined }),
];
const base64url = (text: string) => Buffer.from(text).toString("base64url");

/** How each server takes a request. */
async function outcomes(request: AccessRequest): Promise<readonly string[]> {
  const call = async (authenticate: (typeof servers)[number]) => {
    try {
      await authenticate(request);
      return "accepted";
    } catch (error) {
      // A defect fails the test with its own stack.
      if (!(error instanceof AccessDenied)) throw error;
      return error.reason;
    }
  };
  return Promise.all(servers.map(call));
}

const DENIED = ["TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_EXPIRED"];

it("headers of any text", async () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string().map((rest) => `Bearer ${rest}`),
  );
  await fc.assert(
    fc.asyncProperty(text, async (header) => {
      for (const outcome of await outcomes(requestWith(header))) expect(DENIED).toContain(outcome);
    }),
  );
});

it("parts of any JSON, with the signature of another token", async () => {
  const [, , signature = ""] = (await signed(claims(), key)).split(".");
  const header = fc.oneof(
    fc.json(),
    fc
      .record(
        {
          alg: fc.oneof(fc.constantFrom("ES256", "HS256", "RS256", "EdDSA", "none", "dir"), fc.jsonValue()),
          kid: fc.oneof(fc.constant("k1"), fc.jsonValue()),
          typ: fc.jsonValue(),
          crit: fc.oneof(fc.constantFrom(["b64"], ["exp"], []), fc.jsonValue()),
          b64: fc.jsonValue(),
          jwk: fc.jsonValue(),
          zip: fc.jsonValue(),
          enc: fc.jsonValue(),
        },
        { requiredKeys: ["alg"] },
      )
      .map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(header, fc.json(), fc.constantFrom(signature, "", "AA"), async (header, payload, signature) => {
      const token = `${base64url(header)}.${base64url(payload)}.${signature}`;
      for (const outcome of await outcomes(bearing(token))) expect(DENIED).toContain(outcome);
    }),
    { numRuns: 500 },
  );
});

it("claims of any JSON with a good signature, which never end as a defect", async () => {
  const payload = fc.record(
    {
      sub: fc.oneof(fc.constant("alice"), fc.jsonValue()),
      exp: fc.oneof(fc.constantFrom(now() + 600, 1e300, -1, 0.5), fc.double(), fc.jsonValue()),
      nbf: fc.oneof(fc.double(), fc.jsonValue()),
      iat: fc.jsonValue(),
      iss: fc.oneof(fc.constant("a"), fc.jsonValue()),
      aud: fc.oneof(fc.constantFrom("b", ["b"]), fc.jsonValue()),
      scope: fc.oneof(fc.constant(`streamkit::${STORE}`), fc.jsonValue()),
      streamkit: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const endless = '{"sub": "alice", "exp": 1e999, "iss": "a", "aud": "b"}';
  const texts = fc.oneof(
    payload.map((value) => JSON.stringify(value)),
    fc.json(),
    fc.constantFrom(endless, "{", "", "\ufeff{}"),
  );
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const header = { alg: "ES256", kid: "k1", typ: "at+jwt" };
      const token = await new CompactSign(Buffer.from(text)).setProtectedHeader(header).sign(key.privateKey);
      for (const outcome of await outcomes(bearing(token))) expect([...DENIED, "accepted"]).toContain(outcome);
    }),
    { numRuns: 500 },
  );
});
