import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  bearing,
  claims,
  ecKey,
  jwksOf,
  requestWith,
  SECRET,
  STORE,
  signed,
  signedWithSecret,
} from "../../test/access/issuer.ts";
import { AUTH_OPTIONS, authenticatesByToken, openTokenAuthentication } from "./auth-options.ts";
import { OPTIONS } from "./options.ts";
import { readOptions, UsageError } from "./read-options.ts";
import { tokenCommand } from "./token-command.ts";

const folder = mkdtempSync(join(tmpdir(), "streamkit-auth-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(contents: string | Uint8Array): string {
  const path = join(folder, crypto.randomUUID());
  writeFileSync(path, contents);
  return path;
}

type Environment = Record<string, string>;
const ignore = () => undefined;
const read = (flags: string[], environment: Environment = {}) => readOptions(OPTIONS, { flags, environment });
const open = (flags: string[], environment: Environment = {}) =>
  openTokenAuthentication(read(flags, environment), environment, ignore);

/** Authentication that these flags ask for. */
function opened(flags: string[], environment: Environment = {}) {
  expect(authenticatesByToken(read(flags, environment), environment)).toBe(true);
  return open(flags, environment) ?? expect.unreachable();
}

const key = ecKey("k1");
const pem = key.publicKey.export({ type: "spki", format: "pem" }) as string;

describe("options of authentication", () => {
  it("are off by default", () => {
    expect(open([])).toBe(undefined);
    expect(authenticatesByToken(read([]), {})).toBe(false);
    expect(open([], { STREAMKIT_AUTH_SECRET: "" })).toBe(undefined);
  });

  it.each(["", "\n", "\r\n"])("take a secret from a file whose text ends with %j", async (end) => {
    const authenticate = opened(["--auth-secret-file", file(SECRET + end)]);
    expect((await authenticate(bearing(await signedWithSecret(claims())))).subject).toBe("alice");
  });

  it("take a secret of bytes unchanged", async () => {
    const secret = Buffer.concat([Buffer.alloc(32, 0x80), Buffer.from("\n")]);
    const authenticate = opened(["--auth-secret-file", file(secret)]);
    expect((await authenticate(bearing(await signedWithSecret(claims(), secret)))).subject).toBe("alice");
  });

  it("take a secret from the environment", async () => {
    const authenticate = opened([], { STREAMKIT_AUTH_SECRET: SECRET });
    expect((await authenticate(bearing(await signedWithSecret(claims())))).subject).toBe("alice");
  });

  it("take a public key and a key set from files", async () => {
    const token = await signed(claims(), key);
    const set = JSON.stringify(await jwksOf(key));
    for (const flags of [
      ["--auth-public-key", file(pem)],
      ["--auth-jwks", file(set)],
    ]) {
      await using authenticate = opened(flags);
      expect((await authenticate(bearing(token))).subject).toBe("alice");
    }
  });

  it("check issuer and audience", async () => {
    const flags = [
      "--auth-secret-file",
      file(SECRET),
      "--auth-issuer",
      "a",
      "--auth-audience",
      "b",
      "--auth-audience",
      "c",
    ];
    const authenticate = opened(flags);
    expect((await authenticate(bearing(await signedWithSecret(claims({ iss: "a", aud: "c" }))))).subject).toBe("alice");
    for (const wrong of [{ iss: "x", aud: "c" }, { iss: "a", aud: "x" }, { iss: "a" }, { aud: "b" }]) {
      await expect(authenticate(bearing(await signedWithSecret(claims(wrong))))).rejects.toThrow(
        /issuer|audience|no claim/,
      );
    }
  });

  it.each<[flags: string[], environment: Environment, message: string]>([
    [
      ["--auth-secret-file", "/nowhere/secret"],
      {},
      "--auth-secret-file cannot be read: ENOENT; expected the path of a file",
    ],
    [["--auth-secret-file", file("hunter2")], {}, "--auth-secret-file has 7 bytes; expected at least 32 for HS256"],
    [[], { STREAMKIT_AUTH_SECRET: "hunter2" }, "$STREAMKIT_AUTH_SECRET has 7 bytes; expected at least 32 for HS256"],
    [
      ["--auth-secret-file", file(pem)],
      {},
      "--auth-secret-file is a key or certificate in PEM form; expected random bytes, or --auth-public-key for such a key",
    ],
    [
      ["--auth-public-key", file("hunter2")],
      {},
      '--auth-public-key has no block "-----BEGIN ..."; expected public keys or certificates in PEM form',
    ],
    [["--auth-jwks", file("hunter2")], {}, "is not JSON"],
    [
      ["--auth-jwks", "http://a.example/jwks", "--auth-audience", "*"],
      {},
      '--auth-jwks is "http://a.example/jwks"; expected https, or http with --auth-allow-http',
    ],
    [
      ["--auth-oidc", "https://a.example"],
      {},
      '--auth-oidc also makes tokens for other services; expected the name of this server in the claim "aud"',
    ],
    [
      ["--auth-oidc", "https://a.example", "--auth-audience", "a", "--auth-issuer", "b"],
      {},
      "--auth-issuer does not go with --auth-oidc",
    ],
    [["--auth-oidc", "a.example", "--auth-audience", "a"], {}, '--auth-oidc is "a.example"; expected a URL such as'],
    [
      ["--auth-oidc", "x", "--auth-jwks", "y"],
      { STREAMKIT_AUTH_SECRET: SECRET },
      "$STREAMKIT_AUTH_SECRET and --auth-jwks and --auth-oidc exclude each other: pass one of them",
    ],
    [
      ["--auth-audience", "a"],
      {},
      "--auth-issuer, --auth-audience and --auth-allow-http need keys for tokens: --auth-secret-file,",
    ],
    [["--auth-audience="], {}, '--auth-audience is ""; expected a value that is not empty'],
  ])("%j %j are refused", (flags, environment, message) => {
    expect(() => open(flags, environment)).toThrow(UsageError);
    expect(() => open(flags, environment)).toThrow(message);
    expect(() => open(flags, environment)).not.toThrow(/hunter2|a secret of a test/);
  });

  it("take no secret as a flag or from the file of --config", () => {
    expect(() => read(["--auth-secret=hunter2"])).toThrow(UsageError);
    expect(() => read(["--auth-secret=hunter2"])).not.toThrow(/hunter2/);
    expect(() => read(["--config", file('{"auth-secret": "hunter2"}')])).not.toThrow(/hunter2/);
    expect(() => read(["--config", file('{"auth-secret": "hunter2"}')])).toThrow(UsageError);
    expect(Object.keys(AUTH_OPTIONS)).not.toContain("authSecret");
  });
});

describe("streamkit-server token", () => {
  const secretFile = file(`${SECRET}\n`);
  const authenticate = opened(["--auth-secret-file", secretFile]);
  const token = (...flags: string[]) => tokenCommand(["--secret-file", secretFile, ...flags], {});
  const principalOf = async (...flags: string[]) => authenticate(bearing(await token(...flags)));

  it("makes a token for all stores for an hour", async () => {
    const before = Date.now();
    const { subject, grants, expiresAt = 0 } = await principalOf();
    expect(subject).toBe("developer");
    expect(grants.allowsAnyStore("append")).toBe(true);
    expect(grants.allowsAnyStore("admin")).toBe(false);
    expect(expiresAt).toBeGreaterThanOrEqual(before + 3_600_000 - 1_000);
    expect(expiresAt).toBeLessThan(Date.now() + 3_600_000 + 10_000);
  });

  it("limits the store, the verbs and the time", async () => {
    const before = Date.now();
    const flags = ["--store", STORE.toUpperCase(), "--verbs", "read, trim", "--verbs", "admin", "--sub", "ci"];
    const { subject, grants, expiresAt = 0 } = await principalOf(...flags, "--expires", "30d");
    expect(subject).toBe("ci");
    const verbs = ["read", "append", "trim", "coordinate", "admin"] as const;
    expect(verbs.filter((verb) => grants.allows(verb, STORE))).toEqual(["read", "trim", "admin"]);
    expect(grants.allowsAnyStore("read")).toBe(false);
    expect(expiresAt).toBeGreaterThanOrEqual(before + 30 * 86_400_000 - 1_000);
  });

  it("sets issuer and audience", async () => {
    const flags = ["--auth-secret-file", secretFile, "--auth-issuer", "a", "--auth-audience", "b"];
    const made = await token("--issuer", "a", "--audience", "b");
    expect((await opened(flags)(bearing(made))).subject).toBe("developer");
  });

  it("takes the secret of the environment", async () => {
    const made = await tokenCommand([], { STREAMKIT_AUTH_SECRET: SECRET });
    expect((await authenticate(bearing(made))).subject).toBe("developer");
    expect(() => authenticate(requestWith(made))).toThrow("bearer");
  });

  it("has help", async () => {
    expect(await tokenCommand(["-h"], {})).toMatch(/--secret-file FILE[\s\S]*--expires TIME/);
  });

  it.each([
    [["--store", "all"], '--store is "all"; expected a UUID, or "*" for all stores'],
    [["--verbs", "read,write"], '--verbs is "read,write"; expected a list of read, append, trim, coordinate, admin'],
    [["--expires", "1y"], '--expires is "1y"; expected a number and a unit, such as 90s, 15m, 8h or 30d'],
    [["--expires", "0s"], '--expires is "0s"'],
    [["--sub="], '--sub is ""; expected a value that is not empty'],
    [["--secret", "x"], "--secret"],
    [["--secret-file", file("hunter2")], "--secret-file has 7 bytes; expected at least 32 for HS256"],
    [["--secret-file", "/nowhere/secret"], "--secret-file cannot be read: ENOENT; expected the path of a file"],
  ])("%j is refused", async (flags, message) => {
    await expect(token(...flags)).rejects.toThrow(UsageError);
    await expect(token(...flags)).rejects.toThrow(message);
  });

  it("refuses to sign without a secret, or with a public key", async () => {
    await expect(tokenCommand([], {})).rejects.toThrow(
      "there is no secret: pass --secret-file FILE, or set STREAMKIT_AUTH_SECRET",
    );
    const { publicKey } = generateKeyPairSync("ed25519");
    const path = file(publicKey.export({ type: "spki", format: "pem" }) as string);
    await expect(tokenCommand(["--secret-file", path], {})).rejects.toThrow("--secret-file is a key or certificate");
  });
});
