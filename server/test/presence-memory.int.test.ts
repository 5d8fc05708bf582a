/**
 * A large group with many subscribers, most of which read nothing. The cost grows with the sum of workers and
 * subscribers, not with their product.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  PresenceService,
  SubscribeToWorkersRequestSchema,
  SubscribeToWorkersResponseSchema,
} from "@streamkit/protocol";
import { afterEach, expect, it } from "vitest";
import { Roster } from "./roster.ts";
import { startServer, temporaryFolder } from "./server-process.ts";

const WORKERS = 400;
const OBSERVERS = 600;
const PER_CONNECTION = 50;
const MIB = 1024 * 1024;

let sessions: ClientHttp2Session[] = [];

afterEach(() => {
  for (const session of sessions) session.destroy();
  sessions = [];
});

async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

it("is a few hundred MiB with 400 workers of 4 KiB and 1,000 subscribers", { timeout: 180_000 }, async () => {
  await using folder = await temporaryFolder();
  await using server = await startServer(folder.path, "--storage", "memory");
  const { url } = server;
  const pid = server.child.pid!;
  const storeId = randomUUID();

  function subscribe(index: number, id?: string): ClientHttp2Stream {
    if (index % PER_CONNECTION === 0) sessions.push(connect(url).on("error", () => {}));
    const metadata = { l: "x".repeat(4_095) };
    const message = create(SubscribeToWorkersRequestSchema, {
      storeId,
      group: "g",
      interval: durationFromMs(3_600_000),
      ...(id !== undefined && { worker: { id, metadata } }),
    });
    const body = toBinary(SubscribeToWorkersRequestSchema, message);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const stream = sessions.at(-1)!.request({
      ":method": "POST",
      ":path": `/${PresenceService.typeName}/SubscribeToWorkers`,
      "content-type": "application/connect+proto",
      "connect-protocol-version": "1",
    });
    stream.on("error", () => {});
    stream.end(Buffer.concat([head, body]));
    return stream;
  }

  // This subscriber reads everything, and reports when all workers are there.
  const roster = new Roster();
  const sizes: number[] = [];
  let pending = Buffer.alloc(0);
  subscribe(0).on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
      const end = 5 + pending.readUInt32BE(1);
      sizes.push(end - 5);
      roster.apply(fromBinary(SubscribeToWorkersResponseSchema, pending.subarray(5, end)));
      pending = pending.subarray(end);
    }
  });
  await expect.poll(() => roster.snapshots, { timeout: 30_000 }).toBe(1);
  const before = await peakOf(pid);
  // The other subscribers read nothing.
  for (let index = 0; index < WORKERS; index++) subscribe(index, `w${index}`);
  await expect.poll(() => roster.workers.size, { timeout: 120_000 }).toBe(WORKERS);
  const answered = Array.from({ length: OBSERVERS }, (_, index) => {
    const stream = subscribe(index);
    return new Promise((resolve) => stream.once("response", resolve));
  });
  await Promise.all(answered);
  // A new worker is served, and every subscriber learns of it.
  subscribe(0, "last");
  await expect.poll(() => roster.workers.has("last"), { timeout: 60_000 }).toBe(true);
  expect(Math.max(...sizes)).toBeLessThan(40 * 1024);
  expect(((await peakOf(pid)) - before) / MIB).toBeLessThan(400);
});
