/** Access to NATS: credentials, TLS and malformed URLs. Errors must say how to fix the problem, and show no secret. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectMalformed, expectQuietRefusal, messageWithout, refusal, works } from "../test/access.ts";
import type { BusServer } from "../test/bus-server.ts";
import { type Certificate, makeCertificate, trust } from "../test/certificate.ts";
import { startNats } from "../test/nats.ts";
import { natsBus } from "./index.ts";

/** Contains every character that has a meaning in a URL. */
const password = "p:a/s?s#w@o%r,d";
const escaped = encodeURIComponent(password);
const secrets = [password, escaped, "wrong-secret"];

let folder: string;
let certificate: Certificate;
let untrusted: Certificate;
let open: BusServer;
let locked: BusServer;
let token: BusServer;
let limited: BusServer;
let secure: BusServer;
let foreign: BusServer;

beforeAll(async () => {
  certificate = await makeCertificate();
  untrusted = await makeCertificate();
  await trust(certificate);
  // "bus" has exactly the permissions that docs/bus.md lists; "reader" and "other" each lack one of them.
  folder = await mkdtemp(join(tmpdir(), "streamkit-nats-"));
  const configFile = join(folder, "users.conf");
  await writeFile(
    configFile,
    `max_payload: 1000
    authorization { users = [
      { user: bus, password: bus-secret, permissions: { publish: "streamkit.*", subscribe: "streamkit.*" } }
      { user: reader, password: bus-secret, permissions: { publish: { deny: ">" }, subscribe: "streamkit.*" } }
      { user: other, password: bus-secret, permissions: { publish: "streamkit.*", subscribe: "other.*" } }
    ] }`,
  );
  open = await startNats();
  locked = await startNats({ user: "user", password });
  token = await startNats({ token: "token-secret" });
  limited = await startNats({ configFile });
  secure = await startNats({ user: "user", password, tls: certificate });
  foreign = await startNats({ user: "user", password, tls: untrusted });
});

afterAll(async () => {
  const servers = [open, locked, token, limited, secure, foreign];
  for (const resource of [...servers, certificate, untrusted]) await resource?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

describe("a URL", () => {
  it("may have a user and a password, or a token; the location has neither", async () => {
    for (const [server, url] of [
      [locked, `nats://user:${escaped}@127.0.0.1:${locked.port}`],
      [token, `nats://token-secret@127.0.0.1:${token.port}`],
      [limited, `nats://bus:bus-secret@127.0.0.1:${limited.port}/`],
    ] as const) {
      const bus = await works(natsBus, url, [...secrets, "token-secret", "bus-secret"]);
      expect(bus.location).toBe(`nats://127.0.0.1:${server.port}`);
    }
  });

  it("has the usual port when it has none", async () => {
    for (const [url, location] of [
      ["nats://nats.example", "nats://nats.example:4222"],
      ["tls://[::1]/", "tls://[::1]:4222"],
    ] as const) {
      const bus = natsBus(url);
      expect(bus.location).toBe(location);
      await bus.close();
    }
  });

  it("may name several servers, and one reachable server is enough", async () => {
    const dead = await startNats();
    await dead.stop();
    const [here, there] = [`127.0.0.1:${locked.port}`, `127.0.0.1:${dead.port}`];
    for (const url of [
      `nats://user:${escaped}@${there},${here}`,
      `nats://user:${escaped}@${there},nats://${here}`,
      `nats://someone:else@${there},nats://user:${escaped}@${here}`,
    ]) {
      const bus = natsBus(url);
      expect(bus.location).toBe(`nats://${there},nats://${here}`);
      const connected = Promise.withResolvers<void>();
      const probe = natsBus(url, { onStateChange: (up) => up && connected.resolve() });
      await connected.promise;
      await Promise.all([bus.close(), probe.close()]);
    }
  });

  it("selects TLS by its scheme", async () => {
    const bus = await works(natsBus, secure.url, secrets);
    expect(bus.location).toBe(`tls://127.0.0.1:${secure.port}`);
  });

  it.each([
    "",
    "secret",
    "secret:4222",
    "http://user:secret@host",
    "redis://user:secret@host",
    "nats:secret",
    "nats://",
    "nats://user:secret@",
    "nats://user:sec/ret@host",
    "nats://user:sec?ret@host",
    "nats://user:sec#ret@host",
    "nats://secret#ret@host",
    "nats://user:sec%ret@host",
    "nats://user:secret@host:port",
    "nats://user:secret@host:65536",
    "nats://user:secret@ho st",
    "nats://:secret@host",
    "nats://user:secret@host/path",
    "nats://host?password=secret",
    "nats://user:secret@host,",
    "nats://user:secret@host,,other",
    "nats://user:secret@host,http://other",
    "nats://host,secret#ret@other",
  ])("of another form is refused at once: %s", (url) => {
    expectMalformed(natsBus, url, ["secret", "sec/", "sec?", "sec#", "sec%"]);
  });

  it("with a comma in the password is not read as a list", async () => {
    const bus = natsBus("nats://user:1234,secret@host");
    expect(bus.location).toBe("nats://host:4222");
    await bus.close();
  });
});

describe("a server", () => {
  it("that refuses the credentials, or requires some, is reported as such", async () => {
    const at = `127.0.0.1:${locked.port}`;
    const message = `NATS at nats://${at} refused the credentials; check user and password, or token, of the URL`;
    expect(await refusal(natsBus, `nats://user:wrong-secret@${at}`, secrets)).toBe(message);
    expect(await refusal(natsBus, `nats://wrong-secret@${at}`, secrets)).toBe(message);
    expect(await refusal(natsBus, `nats://${at}`, secrets)).toBe(message);
  });

  it("without authorization accepts any credentials", async () => {
    await works(natsBus, `nats://user:${escaped}@127.0.0.1:${open.port}`, secrets);
  });

  it("that denies a permission which a bus needs is reported as such", async () => {
    for (const user of ["reader", "other"]) {
      const message = await refusal(natsBus, `nats://${user}:bus-secret@127.0.0.1:${limited.port}`, ["bus-secret"]);
      expect(message).toMatch(/denies this user a permission that a bus needs; allow it to publish and to subscribe/);
    }
  });

  it("with an untrusted certificate gets no messages", async () => {
    expect(await refusal(natsBus, foreign.url, secrets)).toMatch(
      /cannot be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\); check TLS/,
    );
  });

  it("with an untrusted certificate does not end the process, whenever the bus is closed", async () => {
    await expectQuietRefusal(natsBus, foreign.url);
  });

  it("without TLS gets no messages when the URL asks for TLS", async () => {
    const url = `tls://user:${escaped}@127.0.0.1:${locked.port}`;
    expect(await refusal(natsBus, url, secrets)).toMatch(/cannot be used: server does not support 'tls'$/);
  });

  it("that requires TLS gets TLS even when the URL does not ask for it", async () => {
    await works(natsBus, `nats://user:${escaped}@127.0.0.1:${secure.port}`, secrets);
    const url = `nats://user:${escaped}@127.0.0.1:${foreign.port}`;
    expect(await refusal(natsBus, url, secrets)).toMatch(/DEPTH_ZERO_SELF_SIGNED_CERT/);
  });

  it("keeps the connection when a message is too long for it", async () => {
    const states: boolean[] = [];
    const reached = Promise.withResolvers<void>();
    const bus = natsBus(`nats://bus:bus-secret@127.0.0.1:${limited.port}`, {
      onStateChange: (up) => {
        states.push(up);
        reached.resolve();
      },
    });
    await reached.promise;
    const heard = Promise.withResolvers<number>();
    bus.subscribe("topic", (message) => heard.resolve(message.length));
    bus.publish("topic", new Uint8Array(1_001));
    bus.publish("topic", new Uint8Array(7));
    expect(await heard.promise).toBe(7);
    expect(states).toEqual([true]);
    await bus.close();
  });
});

it("names the missing package", async () => {
  const module = new URL("index.ts", import.meta.url).href;
  expect(await messageWithout("@nats-io/transport-node", module, 'natsBus("nats://localhost")')).toBe(
    "a bus over NATS needs the package @nats-io/transport-node: npm install @nats-io/transport-node",
  );
});
