/** The health check of the container. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { createStreamkit, type ListenOptions, memoryStorage } from "../src/index.ts";
import { freePort } from "../src/test/free-port.ts";
import { makeAuthority } from "./tls/authority.ts";

const PROGRAM = fileURLToPath(new URL("../../deploy/healthcheck.mjs", import.meta.url));

async function check(environment: Record<string, string>): Promise<number> {
  const child = spawn(process.execPath, [PROGRAM], { env: { PATH: process.env.PATH, ...environment } });
  const [code] = await once(child, "exit");
  return code;
}

it("tells a server that answers from one that does not", { timeout: 120_000 }, async () => {
  await using authority = await makeAuthority();
  const pair = await authority.issue({ names: ["IP:127.0.0.1"], use: "serverAuth" });
  const tls = { STREAMKIT_TLS_CERT: "cert.pem" };
  const ways: [tls: ListenOptions["tls"], environment: Record<string, string>][] = [
    [undefined, {}],
    [pair, tls],
    [
      { ...pair, clientCa: authority.cert },
      { ...tls, STREAMKIT_TLS_CLIENT_CA: "ca.pem" },
    ],
    [
      { ...pair, clientCa: authority.cert, clientCertificate: "request" },
      { ...tls, STREAMKIT_TLS_CLIENT_CA: "ca.pem", STREAMKIT_TLS_CLIENT_CERT: "request" },
    ],
  ];
  for (const [options, environment] of ways) {
    await using streamkit = createStreamkit({ storage: memoryStorage() });
    const { port } = await streamkit.listen({ port: 0, ...(options && { tls: options }) });
    expect(await check({ ...environment, STREAMKIT_PORT: String(port) })).toBe(0);
    expect(await check({ ...environment, PORT: String(await freePort()) })).toBe(1);
  }
});
