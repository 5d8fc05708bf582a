/** The standalone server with tokens, in processes of their own. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runServer } from "../run-server.ts";
import { type ServerProcess, startServer } from "../server-process.ts";
import { claims, ecKey, jwksOf, SECRET, STORE, signed, startIssuer } from "./issuer.ts";

const folder = mkdtempSync(join(tmpdir(), "streamkit-tokens-"));
afterAll(() => rmSync(folder, { recursive: true }));
const secretFile = join(folder, "secret");
writeFileSync(secretFile, `${SECRET}\n`, { mode: 0o600 });

/** Status and reason of a call with JSON. */
async function call(server: ServerProcess, method: string, token: string | undefined, body: object = {}) {
  const response = await fetch(`${server.url}/streamkit.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const answer = JSON.stringify(await response.json());
  return `${response.status} ${/ERROR_REASON_(\w+)/.exec(answer)?.[1] ?? "OK"}`;
}

async function made(...flags: string[]): Promise<string> {
  const { code, out, error } = await runServer(["token", "--secret-file", secretFile, ...flags]);
  expect({ code, error }).toEqual({ code: 0, error: "" });
  expect(out).toMatch(/^[\w.-]+\n$/);
  return out.trim();
}

describe("streamkit-server with --auth-secret-file", () => {
  it("answers to tokens of streamkit-server token, and prints neither secret nor tokens", async () => {
    await using server = await startServer("unused", "--storage", "memory", "--auth-secret-file", secretFile);
    const token = await made("--store", STORE, "--verbs", "read");
    const append = {
      storeId: STORE,
      space: "s",
      transactionId: crypto.randomUUID(),
      appends: [{ segment: "a", records: [{ payload: "AA==" }] }],
    };
    expect(await call(server, "StoreService/ListStores", token)).toBe("200 OK");
    expect(await call(server, "StreamService/Append", token, append)).toBe("403 PERMISSION_DENIED");
    expect(await call(server, "StreamService/Append", await made(), append)).toBe("200 OK");
    expect(await call(server, "StoreService/ListStores", undefined)).toBe("401 TOKEN_MISSING");
    expect(await call(server, "StoreService/ListStores", `${token}x`)).toBe("401 TOKEN_INVALID");
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    await server.end("SIGTERM");
    for (const secret of [SECRET, token, token.split(".")[2] ?? ""]) {
      expect(server.errors() + server.line).not.toContain(secret);
    }
  });

  it("lets other machines in, without a warning", async () => {
    const flags = ["--storage", "memory", "--host", "0.0.0.0", "--auth-secret-file", secretFile];
    await using server = await startServer("unused", ...flags);
    expect(server.errors()).not.toContain("unsafe-setup");
  });

  it("warns if other users can read the secret", async () => {
    const open = join(folder, "open");
    writeFileSync(open, SECRET);
    chmodSync(open, 0o644);
    await using server = await startServer("unused", "--storage", "memory", "--auth-secret-file", open);
    expect(server.errors()).toContain(
      `unsafe-setup: other users of this machine can read or change --auth-secret-file`,
    );
    expect(server.errors()).not.toContain(SECRET);
  });

  it("does not start with a short secret", async () => {
    const short = join(folder, "short");
    writeFileSync(short, "hunter2");
    for (const started of [
      await runServer(["--storage", "memory", "--auth-secret-file", short]),
      await runServer(["--storage", "memory"], { STREAMKIT_AUTH_SECRET: "hunter2" }),
    ]) {
      expect(started).toMatchObject({ code: 2, error: expect.stringContaining("has 7 bytes; expected at least 32") });
      expect(started.error).not.toContain("hunter2");
    }
  });
});

it("streamkit-server token names itself in its errors", async () => {
  expect(await runServer(["token", "--expires", "1y"])).toEqual({
    code: 2,
    out: "",
    error: expect.stringMatching(/^streamkit-server token: .*\n\nstreamkit-server token --help lists the options\n$/),
  });
});

it("streamkit-server with --auth-oidc starts without its issuer, and works once the issuer does", async () => {
  await using issuer = await startIssuer();
  const name = `${issuer.url}/realm`;
  const discovery = "/realm/.well-known/openid-configuration";
  issuer.answer(discovery, (_, response) => response.writeHead(503).end());
  const flags = ["--storage", "memory", "--auth-oidc", name, "--auth-audience", "streamkit"];
  await using server = await startServer("unused", ...flags);
  const key = ecKey("k1");
  const token = await signed(claims({ iss: name, aud: "streamkit" }), key);
  expect(await call(server, "StoreService/ListStores", token)).toBe("503 AUTHENTICATION_UNAVAILABLE");
  expect(await call(server, "StoreService/ListStores", undefined)).toBe("401 TOKEN_MISSING");
  expect(server.errors()).toMatch(
    /warn: token-keys: the issuer .*\/realm: .* answered with status 503; no token can be/,
  );
  issuer.answer(discovery, { issuer: name, jwks_uri: `${issuer.url}/jwks` });
  issuer.answer("/jwks", await jwksOf(key));
  const patient = { timeout: 120_000, interval: 500 };
  await expect.poll(() => call(server, "StoreService/ListStores", token), patient).toBe("200 OK");
  const other = await signed(claims({ iss: name, aud: "billing" }), key);
  expect(await call(server, "StoreService/ListStores", other)).toBe("401 TOKEN_INVALID");
}, 180_000);
