/** The files of TLS and their watch, with a real port and real files. */
import { chmod, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { looseFile } from "../../src/cli/loose-file.ts";
import { readTls, type TlsPaths, TlsWatch } from "../../src/cli/tls-files.ts";
import { createStreamkit, memoryStorage, type StreamkitEvent } from "../../src/index.ts";
import { type Authority, makeAuthority, type Pair } from "./authority.ts";
import { makeTlsFiles } from "./files.ts";
import { getHttp1, openTls } from "./secure-client.ts";

let authority: Authority;
let server: Pair;
let renewed: Pair;

beforeAll(async () => {
  authority = await makeAuthority();
  server = await authority.issue({ names: ["IP:127.0.0.1"] });
  renewed = await authority.issue({ subject: "/CN=renewed", names: ["IP:127.0.0.1"] });
});
afterAll(() => authority[Symbol.asyncDispose]());

/** A port whose files are watched. */
async function watchedPort(paths: TlsPaths) {
  const events: StreamkitEvent[] = [];
  const streamkit = createStreamkit({ storage: memoryStorage() });
  const loaded = await readTls(paths);
  const listener = await streamkit.listen({ port: 0, tls: loaded.files });
  const onEvent = (event: StreamkitEvent) => events.push(event);
  const watch = new TlsWatch({ paths, loaded, listener, onEvent, intervalMillis: 30 });
  return {
    watch,
    events,
    get: (pair?: Pair) => getHttp1(`${listener.url}/healthz`, { ca: authority.cert, ...pair }),
    async subject() {
      const socket = await openTls(listener.url, { ca: authority.cert });
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      return CN;
    },
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]();
      await streamkit.close();
    },
  };
}

describe("new files", () => {
  it("get new connections", async () => {
    await using files = await makeTlsFiles(server, authority);
    await using port = await watchedPort({ cert: files.cert, key: files.key });
    expect(await port.subject()).toBe("streamkit test");
    await files.write(renewed);
    await expect.poll(port.subject).toBe("renewed");
    expect(port.events.at(-1)).toMatchObject({
      level: "info",
      kind: "certificate-changed",
      message: expect.stringMatching(
        /^new connections get the certificate that --tls-cert .*cert\.pem has now, valid until 2/,
      ),
    });
  });

  it("are found behind symbolic links that are swapped, as Kubernetes does", async () => {
    await using old = await makeTlsFiles(server, authority);
    await using next = await makeTlsFiles(renewed, authority);
    const link = join(old.folder, "data");
    await symlink(old.folder, link);
    await using port = await watchedPort({ cert: join(link, "cert.pem"), key: join(link, "key.pem") });
    await symlink(next.folder, `${link}.new`);
    await rename(`${link}.new`, link);
    await expect.poll(port.subject).toBe("renewed");
    expect(port.events).toHaveLength(1);
  });

  it("that do not work cost one event, and the old certificate stays", async () => {
    await using files = await makeTlsFiles(server, authority);
    await using port = await watchedPort({ cert: files.cert, key: files.key });
    await files.write({ cert: Buffer.from("damaged") });
    await expect.poll(() => port.events).toHaveLength(1);
    expect(port.events[0]).toMatchObject({
      level: "error",
      kind: "certificate-changed",
      message: `the server keeps its certificate, because the new files do not work: --tls-cert ${files.cert} has no certificate in PEM format`,
    });
    expect(await port.subject()).toBe("streamkit test");
    // Half of a renewal: the certificate without its key.
    await files.write({ cert: renewed.cert });
    await expect.poll(() => port.events).toHaveLength(2);
    expect(port.events[1]?.message).toContain(`--tls-key ${files.key} does not belong to the first certificate`);
    expect(await port.subject()).toBe("streamkit test");
    await files.write(renewed);
    await expect.poll(port.subject).toBe("renewed");
    expect(port.events).toHaveLength(3);
  });

  it("are read at once on request; equal ones change nothing", async () => {
    await using files = await makeTlsFiles(server, authority);
    await using port = await watchedPort({ cert: files.cert, key: files.key });
    port.watch[Symbol.dispose]();
    await port.watch.reload();
    expect(port.events).toEqual([]);
    await files.write(renewed);
    await port.watch.reload();
    expect(await port.subject()).toBe("renewed");
  });

  it("of client authorities count from the next connection on", async () => {
    await using next = await makeAuthority("next");
    await using files = await makeTlsFiles(server, authority);
    await using port = await watchedPort({ cert: files.cert, key: files.key, clientCa: files.clientCa });
    const [old, current] = [await authority.issue(), await next.issue()];
    expect(await port.get(old)).toBe("ok\n");
    await writeFile(files.clientCa, next.cert);
    await expect.poll(() => port.get(current).catch(() => undefined)).toBe("ok\n");
    await expect(port.get(old)).rejects.toThrow();
  });
});

describe("files at the start", () => {
  it.each([0o644, 0o640, 0o604, 0o602, 0o620, 0o600, 0o400])("a key of mode %i", async (mode) => {
    await using files = await makeTlsFiles(server, authority);
    await chmod(files.key, mode);
    // A key of root may be readable to a group.
    const root = process.getuid?.() === 0;
    const safe = mode === 0o600 || mode === 0o400 || (root && mode === 0o640);
    const warning = await looseFile("--tls-key", files.key);
    const shown = `(mode 0${mode.toString(8)}): chmod 600 ${files.key}`;
    expect(warning).toEqual(safe ? undefined : expect.stringContaining(shown));
  });

  it.each([
    ["cert", "x", /^--tls-cert .*cert\.pem has no certificate in PEM format$/],
    ["key", "x", /^--tls-key .*key\.pem is not a private key in PEM format$/],
    ["clientCa", "", /^--tls-client-ca .*ca\.pem has no certificate in PEM format$/],
    [
      "key",
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
      /^--tls-key .*key\.pem has a passphrase, which the server does not take; .* openssl pkey /,
    ],
  ] as const)("name the option and the file: %s with %j", async (part, content, message) => {
    await using files = await makeTlsFiles(server, authority);
    await writeFile(files[part], content);
    const { cert, key, clientCa } = files;
    await expect(readTls({ cert, key, clientCa })).rejects.toThrow(message);
    await expect(readTls({ cert, key, clientCa: "missing.pem" })).rejects.toThrow(
      /--tls-client-ca cannot be read: ENOENT/,
    );
  });
});
