/** Access to Redis: credentials, TLS and malformed URLs. Errors must say how to fix the problem, and show no secret. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectMalformed, expectQuietRefusal, messageWithout, refusal, works } from "../test/access.ts";
import type { BusServer } from "../test/bus-server.ts";
import { type Certificate, makeCertificate, trust } from "../test/certificate.ts";
import { startRedis } from "../test/redis.ts";
import { redisBus } from "./index.ts";

/** Contains every character that has a meaning in a URL. */
const password = "p:a/s?s#w@o%r,d";
const escaped = encodeURIComponent(password);
const secrets = [password, escaped, "wrong-secret"];

let certificate: Certificate;
let untrusted: Certificate;
let open: BusServer;
let locked: BusServer;
let secure: BusServer;
let foreign: BusServer;

beforeAll(async () => {
  certificate = await makeCertificate();
  untrusted = await makeCertificate();
  await trust(certificate);
  open = await startRedis();
  // "bus" has exactly the permissions that docs/bus.md lists; "reader" and "other" each lack one of them.
  const users = [
    "bus on >bus-secret resetchannels &streamkit:* -@all +publish +subscribe +unsubscribe",
    "reader on >bus-secret resetchannels &streamkit:* -@all +subscribe +unsubscribe",
    "other on >bus-secret resetchannels &other:* -@all +publish +subscribe +unsubscribe",
  ];
  locked = await startRedis({ password, users });
  secure = await startRedis({ password, tls: certificate });
  foreign = await startRedis({ password, tls: untrusted });
});

afterAll(async () => {
  for (const resource of [open, locked, secure, foreign, certificate, untrusted])
    await resource?.[Symbol.asyncDispose]();
});

describe("a URL", () => {
  it("may have a password, or a user and a password; the location has neither", async () => {
    const at = `127.0.0.1:${locked.port}`;
    for (const credentials of [`:${escaped}`, `default:${escaped}`, "bus:bus-secret"]) {
      const bus = await works(redisBus, `redis://${credentials}@${at}`, [...secrets, "bus-secret"]);
      expect(bus.location).toBe(`redis://${at}`);
    }
  });

  it("may have the number of a database, which the bus ignores", async () => {
    expect((await works(redisBus, `${open.url}/7`)).location).toBe(open.url);
  });

  it("has the usual port when it has none", async () => {
    for (const [url, location] of [
      ["redis://redis.example", "redis://redis.example:6379"],
      ["rediss://[::1]/", "rediss://[::1]:6379"],
    ] as const) {
      const bus = redisBus(url);
      expect(bus.location).toBe(location);
      await bus.close();
    }
  });

  it("selects TLS by its scheme", async () => {
    const bus = await works(redisBus, secure.url, secrets);
    expect(bus.location).toBe(`rediss://127.0.0.1:${secure.port}`);
  });

  it.each([
    "",
    "secret",
    "secret:6379",
    "http://:secret@host",
    "nats://:secret@host",
    "redis:secret",
    "redis://",
    "redis://:secret@",
    "redis://:sec/ret@host",
    "redis://:sec?ret@host",
    "redis://:sec#ret@host",
    "redis://secret#ret@host",
    "redis://:sec%ret@host",
    "redis://:secret@host:port",
    "redis://:secret@host:65536",
    "redis://:secret@ho st",
    "redis://secret@host",
    "redis://:secret@host/path",
    "redis://host?password=secret",
    "redis://host#secret",
    "redis://:secret@host,other",
  ])("of another form is refused at once: %s", (url) => {
    expectMalformed(redisBus, url, ["secret", "sec/", "sec?", "sec#", "sec%"]);
  });
});

describe("a server", () => {
  it("that refuses the password, or requires one, is reported as such", async () => {
    const at = `127.0.0.1:${locked.port}`;
    expect(await refusal(redisBus, `redis://:wrong-secret@${at}`, secrets)).toBe(
      `Redis at redis://${at} refused the credentials (WRONGPASS); check user and password of the URL`,
    );
    expect(await refusal(redisBus, `redis://bus:wrong-secret@${at}`, secrets)).toMatch(/WRONGPASS/);
    expect(await refusal(redisBus, `redis://${at}`, secrets)).toBe(
      `Redis at redis://${at} requires credentials (NOAUTH); give user and password in the URL`,
    );
  });

  it("without passwords refuses a password", async () => {
    const url = `redis://:${escaped}@127.0.0.1:${open.port}`;
    expect(await refusal(redisBus, url, secrets)).toMatch(/^Redis at \S+ refused AUTH \(ERR\)$/);
  });

  it("that denies a permission which a bus needs is reported as such", async () => {
    for (const user of ["reader", "other"]) {
      const message = await refusal(redisBus, `redis://${user}:bus-secret@127.0.0.1:${locked.port}`, ["bus-secret"]);
      expect(message).toMatch(/denies this user a permission that a bus needs \(NOPERM\); allow it PUBLISH, SUBSCRIBE/);
    }
  });

  it("with an untrusted certificate gets no messages", async () => {
    expect(await refusal(redisBus, foreign.url, secrets)).toMatch(
      /cannot be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\); check TLS/,
    );
  });

  it("with an untrusted certificate does not end the process, whenever the bus is closed", async () => {
    await expectQuietRefusal(redisBus, foreign.url);
  });

  it("without TLS gets no messages from a URL with TLS, nor the other way round", async () => {
    const plain = `rediss://:${escaped}@127.0.0.1:${locked.port}`;
    // Redis takes the first bytes of TLS for the start of a command, and waits for its end.
    expect(await refusal(redisBus, plain, secrets, { heartbeatMillis: 300 })).toMatch(
      /does not answer within 300 ms; check the URL, whether the server requires TLS/,
    );
    const encrypted = `redis://:${escaped}@127.0.0.1:${secure.port}`;
    expect(await refusal(redisBus, encrypted, secrets)).toMatch(
      /closed the connection|cannot be reached \(ECONNRESET\)/,
    );
  });
});

it("names the missing package", async () => {
  const module = new URL("index.ts", import.meta.url).href;
  expect(await messageWithout("ioredis", module, 'redisBus("redis://localhost")')).toBe(
    "a bus over Redis needs the package ioredis: npm install ioredis",
  );
});
