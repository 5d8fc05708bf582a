/** Secrets of the operator show nowhere: not in output, errors, events, answers or health checks, whatever fails. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, vi } from "vitest";
import { startNats } from "../src/bus/test/nats.ts";
import { startRedis } from "../src/bus/test/redis.ts";
import { startAzurite } from "../src/storage/azure/test/azurite.ts";
import { runServer } from "./run-server.ts";
import { startServer, temporaryFolder } from "./server-process.ts";

const SECRET = `secret${randomBytes(12).toString("hex")}`;
/** A key as Azure makes them: bytes as base64. */
const KEY = Buffer.from(SECRET).toString("base64");

/** Any file that can be read. */
const EXISTING = fileURLToPath(import.meta.url);

/** Fails if a secret shows, in any of its forms. */
function expectNoSecret(text: string): void {
  for (const form of [SECRET, KEY, encodeURIComponent(KEY), Buffer.from(KEY).toString("base64"), SECRET.slice(6)]) {
    expect(text).not.toContain(form);
  }
}

describe("a start that fails", { timeout: 300_000 }, () => {
  const azure = ["--storage", "azure"];
  const PEM = `-----BEGIN PRIVATE KEY-----\n${KEY}\n-----END PRIVATE KEY-----\n`;
  const cases: [name: string, flags: readonly string[], environment?: Record<string, string>][] = [
    ["a URL of a bus with an unescaped password", ["--bus", `redis://user:${SECRET}#x@host`]],
    ["a URL of no bus", ["--bus", `amqp://user:${SECRET}@host`]],
    ["a URL of NATS with an unescaped password", [], { STREAMKIT_BUS: `nats://user:${SECRET}/x@host` }],
    ["a connection string without a name", azure, { AZURE_STORAGE_CONNECTION_STRING: `AccountKey=${KEY}` }],
    ["a connection string that is a key", [...azure, "--azure-connection-string", KEY]],
    [
      "an endpoint that is no URL",
      [...azure, "--azure-connection-string", `TableEndpoint=x;SharedAccessSignature=sig=${KEY}`],
    ],
    ["an endpoint with a SAS", [...azure, "--azure-endpoint", `https://account.example/?sig=${SECRET}`]],
    ["an endpoint with a password", [...azure, "--azure-endpoint", `https://user:${SECRET}@account.example/`]],
    ["a value in two parts", [...azure, "--azure-connection-string", "AccountName=x;", `AccountKey=${KEY}`]],
    ["a flag that does not exist", [`--azure-conection-string=${SECRET}`]],
    ["a flag that takes no value", [`--insecure=${SECRET}`]],
    ["a configuration in place of its file", [], { STREAMKIT_CONFIG: `{"bus":"redis://user:${SECRET}@host"}` }],
    ["a secret for tokens in place of its file", ["--auth-secret-file", SECRET]],
    ["a private key in place of the file of a public one", [], { STREAMKIT_AUTH_PUBLIC_KEY: PEM }],
    ["a secret for tokens that is too short", [], { STREAMKIT_AUTH_SECRET: SECRET.slice(6, 26) }],
    ["a password in the URL of keys", ["--auth-jwks", `https://user:${SECRET}@127.0.0.1:1/`, "--auth-audience", "a"]],
    [
      "a password in the URL of a provider",
      ["--auth-oidc", `https://user:${SECRET}@127.0.0.1:1/`, "--auth-audience", "a"],
    ],
    ["a key of TLS in place of its file", ["--tls-cert", EXISTING], { STREAMKIT_TLS_KEY: PEM }],
  ];

  it.each(cases)("because of %s", async (_, flags, environment) => {
    const { code, out, error } = await runServer(["--port", "0", ...flags], environment);
    expect(code).not.toBe(0);
    expect(out).toBe("");
    expect(error).toMatch(/^streamkit-server: \S/);
    expectNoSecret(error);
    expect(error).not.toContain(SECRET.slice(6, 26));
  });

  it.each([
    ["is broken", `{"bus": "redis://user:${SECRET}@host", }`],
    ["has an object for a text", `{"bus": {"url": "${SECRET}"}}`],
    ["has a list for a text", `{"azure-connection-string": ["${SECRET}", {}]}`],
    ["has an unknown key", `{"azure-key": "${SECRET}"}`],
    ["is a text", `"${SECRET}"`],
  ])("because the file of --config %s", async (_, content) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "config.json");
    await writeFile(path, content);
    const { code, error } = await runServer(["--config", path]);
    expect(code).toBe(2);
    expectNoSecret(error);
  });

  it("because the key of TLS is no key", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "key.pem");
    await writeFile(path, PEM);
    const { code, error } = await runServer(["--storage", "memory", "--tls-cert", path, "--tls-key", path]);
    expect(code).toBe(1);
    expectNoSecret(error);
  });

  it("because Azure refuses the key", async () => {
    const azurite = await startAzurite();
    try {
      const endpoint = `http://127.0.0.1:${azurite.port}/devstoreaccount1`;
      const account = `AccountName=devstoreaccount1;AccountKey=${KEY};TableEndpoint=${endpoint}`;
      const { code, error } = await runServer(["--port", "0", ...azure], { AZURE_STORAGE_CONNECTION_STRING: account });
      expect(code).toBe(1);
      expect(error).toContain("Azure refused");
      expectNoSecret(error);
    } finally {
      await azurite.stop();
    }
  });
});

/** Uses every way to ask a server about itself, and every kind of call. Returns all that it answers. */
async function answersOf(url: string, headers: Record<string, string> = {}): Promise<string> {
  const storeId = "11111111-2222-4333-8444-555555555555";
  const call = (path: string, body: object) =>
    fetch(`${url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-timeout-ms": "20000", ...headers },
      body: JSON.stringify(body),
    });
  const answers = await Promise.all([
    call("streamkit.v1.StoreService/GetServerInfo", {}),
    call("streamkit.v1.StoreService/ListStores", {}),
    call("streamkit.v1.StreamService/Append", { storeId, space: "s", appends: [{ segment: "a", records: [{}] }] }),
    call("streamkit.v1.StreamService/ReadSpace", { storeId, space: "s" }),
    call("grpc.health.v1.Health/Check", {}),
    fetch(`${url}/healthz`),
    fetch(`${url}/readyz`),
    fetch(`${url}/unknown`),
  ]);
  const texts = answers.map(
    async (answer) => `${answer.status} ${[...answer.headers].join(" ")} ${await answer.text()}`,
  );
  return (await Promise.all(texts)).join("\n");
}

describe("a server", { timeout: 300_000 }, () => {
  it.each([
    [
      "Redis with a wrong password",
      () => startRedis({ password: "right" }),
      (port: number) => `redis://:${SECRET}@127.0.0.1:${port}`,
    ],
    [
      "NATS with a wrong password",
      () => startNats({ user: "user", password: "right" }),
      (port: number) => `nats://user:${SECRET}@127.0.0.1:${port}`,
    ],
  ])("whose storage is out of reach, and whose bus is %s", async (_, startBus, urlOf) => {
    await using bus = await startBus();
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(0, "127.0.0.1", resolve));
    const { port } = dead.address() as { port: number };
    await new Promise((resolve) => dead.close(resolve));
    await using folder = await temporaryFolder();
    const config = join(folder.path, "config.json");
    const account = `AccountName=x;AccountKey=${KEY};TableEndpoint=http://127.0.0.1:${port}/x`;
    await writeFile(config, JSON.stringify({ bus: urlOf(bus.port), "azure-connection-string": account }));
    await using server = await startServer("unused", "--storage", "azure", "--config", config, "--log", "json");
    await expect.poll(server.errors, { timeout: 60_000 }).toContain("bus-changed");
    const answers = await answersOf(server.url);
    expect(answers).toContain("Azure Table Storage does not answer");
    await server.end("SIGTERM");
    for (const text of [answers, server.line, server.errors()]) expectNoSecret(text);
  });
});

it("a server that asks for tokens tells neither its secret nor a token", { timeout: 300_000 }, async () => {
  vi.stubEnv("STREAMKIT_AUTH_SECRET", SECRET.repeat(2));
  await using server = await startServer("unused", "--storage", "memory", "--log", "json");
  vi.unstubAllEnvs();
  // Bad credentials of each kind, with the secret in place of a part that a caller could send by mistake.
  const garbage = [
    SECRET.repeat(2),
    `${KEY}.${KEY}.${KEY}`,
    `${Buffer.from('{"alg":"HS256"}').toString("base64url")}.${KEY}.x`,
  ];
  let answers = await answersOf(server.url);
  for (const token of garbage) {
    answers += await answersOf(server.url, { authorization: `Bearer ${token}` });
    answers += await answersOf(server.url, { authorization: `Basic ${token}` });
  }
  expect(answers).toContain("TOKEN_INVALID");
  await server.end("SIGTERM");
  for (const text of [answers, server.line, server.errors()]) expectNoSecret(text);
});

/** Cause: the whole error of a failed close went to stderr, with the request of an SDK in it. */
it("an error at the end shows its message only", { timeout: 120_000 }, async () => {
  const script = `
    import { endOnSignals } from ${JSON.stringify(new URL("../src/cli/signals.ts", import.meta.url).href)};
    const headers = { authorization: ${JSON.stringify(SECRET)} };
    endOnSignals(() => Promise.reject(Object.assign(new Error("no answer"), { request: { headers } })));
    process.kill(process.pid, "SIGTERM");
    setInterval(() => {}, 1_000);`;
  const flags = ["--conditions=@streamkit/source", "--input-type=module", "-e", script];
  const failure = await promisify(execFile)(process.execPath, flags).catch((error) => error);
  expect(failure).toMatchObject({ code: 1, stderr: "streamkit-server: closing failed: no answer\n" });
});
