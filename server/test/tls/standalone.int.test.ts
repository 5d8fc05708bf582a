/** TLS of the standalone server: its flags, and files that change while it runs. */
import { chmod } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServerProcess, startServer } from "../server-process.ts";
import { type Authority, makeAuthority, type Pair } from "./authority.ts";
import { makeTlsFiles } from "./files.ts";
import { getHttp1, openTls } from "./secure-client.ts";

/** Time for a server to notice something on a machine that has other work to do. */
const SLOW = { timeout: 60_000 };

let authority: Authority;
let server: Pair;

beforeAll(async () => {
  authority = await makeAuthority();
  server = await authority.issue({ names: ["IP:127.0.0.1"] });
});
afterAll(() => authority[Symbol.asyncDispose]());

async function makeFiles() {
  const files = await makeTlsFiles(server, authority);
  return { ...files, flags: ["--storage", "memory", "--tls-cert", files.cert, "--tls-key", files.key] };
}

const get = (process: ServerProcess, pair?: Pair) =>
  getHttp1(`${process.url}/healthz`, { ca: authority.cert, ...pair });

async function subjectOf({ url }: ServerProcess): Promise<unknown> {
  const socket = await openTls(url, { ca: authority.cert });
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN;
}

const linesOf = (process: ServerProcess, kind: string) =>
  process
    .errors()
    .split("\n")
    .filter((line) => line.includes(`${kind}:`));

describe("client certificates", { timeout: 120_000 }, () => {
  it.each([[[]], [["--tls-client-cert", "require"]]])("are required with %j", async (flags) => {
    await using files = await makeFiles();
    await using process = await startServer("unused", ...files.flags, "--tls-client-ca", files.clientCa, ...flags);
    expect(await get(process, await authority.issue())).toBe("ok\n");
    await expect(get(process)).rejects.toThrow();
    await expect.poll(() => linesOf(process, "connection-refused"), SLOW).toHaveLength(1);
  });

  it("are optional with --tls-client-cert request", async () => {
    await using files = await makeFiles();
    const flags = [...files.flags, "--tls-client-ca", files.clientCa, "--tls-client-cert", "request"];
    await using process = await startServer("unused", ...flags);
    expect(await get(process)).toBe("ok\n");
  });
});

describe("new files", { timeout: 120_000 }, () => {
  it("get new connections without a restart; open connections live on", async () => {
    await using files = await makeFiles();
    await using process = await startServer("unused", ...files.flags);
    const before = await openTls(process.url, { ca: authority.cert });
    await files.write(await authority.issue({ subject: "/CN=renewed", names: ["IP:127.0.0.1"] }));
    await expect.poll(() => subjectOf(process), SLOW).toBe("renewed");
    const [line] = linesOf(process, "certificate-changed");
    expect(line).toMatch(
      /^streamkit: info: certificate-changed: new connections get .*--tls-cert .*cert\.pem has now, valid until 2/,
    );
    before.end("GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    expect(await text(before)).toContain("ok\n");
  });

  it("that do not work cost one line; SIGHUP reads them at once, and does not end the server", async () => {
    await using files = await makeFiles();
    await using process = await startServer("unused", ...files.flags);
    await files.write({ cert: Buffer.from("damaged") });
    process.child.kill("SIGHUP");
    await expect.poll(() => linesOf(process, "certificate-changed"), SLOW).toHaveLength(1);
    expect(await subjectOf(process)).toBe("streamkit test");
    await files.write(await authority.issue({ subject: "/CN=renewed", names: ["IP:127.0.0.1"] }));
    process.child.kill("SIGHUP");
    await expect.poll(() => subjectOf(process), SLOW).toBe("renewed");
    expect(linesOf(process, "certificate-changed")).toHaveLength(2);
    expect(await process.end("SIGTERM")).toEqual({ code: 0, signal: null });
  });
});

it("warns of a key that others can read", { timeout: 120_000 }, async () => {
  await using files = await makeFiles();
  await chmod(files.key, 0o644);
  await using process = await startServer("unused", ...files.flags);
  await expect.poll(() => linesOf(process, "unsafe-setup"), SLOW).toHaveLength(1);
});
