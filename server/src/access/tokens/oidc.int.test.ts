/** Answers of hostile and broken issuers, and OpenID Connect providers. */
import { describe, expect, it } from "vitest";
import {
  bearing,
  claims,
  ecKey,
  type IssuerServer,
  jwkOf,
  jwksOf,
  signed,
  startIssuer,
} from "../../../test/access/issuer.ts";
import { AccessDenied } from "../denial.ts";
import { fetchJson } from "./fetch-json.ts";
import type { TokenKey } from "./key-set.ts";
import { loadJwks, loadOidcKeys } from "./oidc.ts";
import { tokenAuthentication } from "./token-authentication.ts";

const ALGORITHMS = ["ES256"];
const [k1, k2] = [ecKey("k1"), ecKey("k2")];
const ids = (keys: readonly TokenKey[]) => keys.map(({ id }) => id);

describe("answers of an issuer", () => {
  const get = async (issuer: IssuerServer, path = "/jwks") =>
    fetchJson(new URL(path, issuer.url), AbortSignal.timeout(60_000)).catch((error: Error) => error.message);

  it("to another place are not followed", async () => {
    await using issuer = await startIssuer();
    for (const location of ["/other", "https://evil.example/jwks?a=b", "file:///etc/passwd"]) {
      issuer.answer("/jwks", (_, response) => response.writeHead(302, { location }).end());
      expect(await get(issuer)).toMatch(
        /\/jwks answered with status 302: it redirects to .*, and redirects are not followed$/,
      );
    }
    expect([...issuer.requests.keys()]).toEqual(["/jwks"]);
  });

  it("without end are cut", async () => {
    await using issuer = await startIssuer();
    let sent = 0;
    issuer.answer("/jwks", (_, response) => {
      const chunk = " ".repeat(65_536);
      const more = () => {
        sent += chunk.length;
        if (!response.destroyed) response.write(chunk, more);
      };
      more();
    });
    expect(await get(issuer)).toBe(`${issuer.url}/jwks answered with more than 262144 bytes`);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it("that are no JSON, no key set, or have no usable key are refused", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", (_, response) => response.end("<html>"));
    expect(await get(issuer)).toBe(`${issuer.url}/jwks answered with something that is not JSON`);
    const secret = { kty: "oct", k: "AAAA", kid: "k1" };
    const { d } = k1.privateKey.export({ format: "jwk" });
    const refused = "has no public key among its 1 keys that checks ES256";
    for (const [value, problem] of [
      [[], 'is no JSON Web Key Set; expected {"keys": [...]}'],
      [{ keys: {} }, "is no JSON Web Key Set"],
      [{ keys: [] }, "has no public key among its 0 keys that checks ES256"],
      [{ keys: [secret] }, refused],
      [{ keys: [{ ...(await jwkOf(k1)), d }] }, refused],
      [{ keys: [{ ...(await jwkOf(k1)), use: "enc" }] }, refused],
      [{ keys: [{ ...(await jwkOf(k1)), key_ops: ["encrypt"] }] }, refused],
      [{ keys: [{ ...(await jwkOf(k1)), alg: "ES384" }] }, refused],
      [{ keys: [{ ...(await jwkOf(k1)), kid: 7 }] }, refused],
      [{ keys: [{ kty: "EC", crv: "P-256", x: "AA", y: "AA" }] }, refused],
    ] as const) {
      issuer.answer("/jwks", value);
      const load = loadJwks(new URL("/jwks", issuer.url), ALGORITHMS, AbortSignal.timeout(60_000));
      await expect(load).rejects.toThrow(`${issuer.url}/jwks ${problem}`);
    }
  });

  it("that nobody gives are an error with the code of the system", async () => {
    const issuer = await startIssuer();
    await issuer[Symbol.asyncDispose]();
    expect(await get(issuer)).toBe(`${issuer.url}/jwks cannot be reached: ECONNREFUSED`);
  });
});

describe("an OpenID Connect provider", () => {
  const DISCOVERY = "/realm/.well-known/openid-configuration";
  const load = (issuer: string, allowHttp = false) =>
    loadOidcKeys(issuer, ALGORITHMS, allowHttp, AbortSignal.timeout(60_000)).then(({ keys }) => ids(keys));

  it("names its keys", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", await jwksOf(k1));
    for (const name of [`${issuer.url}/realm`, `${issuer.url}/realm/`]) {
      issuer.answer(DISCOVERY, { issuer: name, jwks_uri: `${issuer.url}/jwks` });
      expect(await load(name)).toEqual(["k1"]);
    }
  });

  it.each([
    [{ issuer: "https://evil.example" }, /is of the issuer "https:\/\/evil.example"; expected "http:.*\/realm"$/],
    [{}, /is of the issuer absent; expected/],
    [{ issuer: "{issuer}" }, /has no jwks_uri$/],
    [{ issuer: "{issuer}", jwks_uri: "file:///etc/passwd" }, /jwks_uri of .* is "file:.*; expected a URL/],
    [{ issuer: "{issuer}", jwks_uri: "http://169.254.169.254/keys" }, /jwks_uri of .*; expected https/],
  ])("is refused with the document %j", async (document, problem) => {
    await using issuer = await startIssuer();
    const name = `${issuer.url}/realm`;
    issuer.answer(DISCOVERY, JSON.parse(JSON.stringify(document).replace("{issuer}", name)));
    await expect(load(name)).rejects.toThrow(problem);
  });

  it("authenticates callers", async () => {
    await using issuer = await startIssuer();
    const oidcIssuer = `${issuer.url}/realm`;
    issuer.answer(DISCOVERY, { issuer: oidcIssuer, jwks_uri: `${issuer.url}/jwks` });
    issuer.answer("/jwks", await jwksOf(k1));
    await using authenticate = tokenAuthentication({ oidcIssuer, audience: "streamkit", onEvent: () => undefined });
    const good = claims({ iss: oidcIssuer, aud: "streamkit" });
    expect((await authenticate(bearing(await signed(good, k1)))).subject).toBe("alice");
    const bad = async (payload: object, key = k1) => authenticate(bearing(await signed({ ...good, ...payload }, key)));
    await expect(bad({ iss: "https://evil.example" })).rejects.toThrow('its issuer is "https://evil.example"');
    await expect(bad({ aud: "billing" })).rejects.toThrow('its audience is "billing"');
    await expect(bad({}, k2)).rejects.toThrow('the server has no key for ES256 with the id "k2"');
    await expect(bad({}, k2)).rejects.toThrow(AccessDenied);
  });
});
