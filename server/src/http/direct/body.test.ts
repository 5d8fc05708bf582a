import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { afterEach, expect, it, vi } from "vitest";
import { Accounts } from "../../budgets/account.ts";
import { Admission } from "../../budgets/admission.ts";
import { serverLimits } from "../../budgets/limits.ts";
import { bodyOf } from "./body.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const limits = serverLimits();
const accounts = new Accounts(limits);
const admission = new Admission({ limits, server: accounts.server, toError: (error) => error });

/** Reads a body that arrives in chunks of so many bytes. Tells how often chunks were joined, and the bytes copied. */
async function read(protocol: "connect" | "grpc", bytes: Buffer, chunkBytes: number) {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  const request = Object.assign(Readable.from(chunks, { objectMode: false }), { headers: {} });
  const concat = vi.spyOn(Buffer, "concat");
  const body = await bodyOf(
    request as unknown as IncomingMessage,
    { protocol, format: "binary", limit: 1_000_000, timeoutMillis: undefined },
    {
      admission,
      account: accounts.server,
      taken: () => undefined,
      canceled: () => new Error("canceled"),
      check: () => undefined,
    },
  );
  const copied = concat.mock.results.reduce((sum, { value }) => sum + (value as Buffer).length, 0);
  return { body: Buffer.from(body), joins: concat.mock.calls.length, copied };
}

it.each([1, 7, 1_000])("joins chunks of %d bytes a fixed number of times", async (chunkBytes) => {
  const message = Buffer.alloc(20_000, 3);
  const envelope = Buffer.concat([Buffer.from([0, 0, 0, message.length >> 8, message.length & 0xff]), message]);
  const connect = await read("connect", message, chunkBytes);
  expect(connect.body.equals(message)).toBe(true);
  expect([connect.joins, connect.copied]).toEqual([1, message.length]);
  vi.restoreAllMocks();
  const grpc = await read("grpc", envelope, chunkBytes);
  expect(grpc.body.equals(message)).toBe(true);
  expect(grpc.joins).toBeLessThanOrEqual(3);
  expect(grpc.copied).toBeLessThan(2 * envelope.length);
});
