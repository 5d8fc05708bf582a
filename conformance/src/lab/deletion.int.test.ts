/** Fault 33, second half: one instance deletes a store that other instances have open. */
import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Calls } from "./calls.ts";
import { Cluster } from "./cluster.ts";

const space = "orders";
/** Time limit for another instance to notice, in milliseconds. It checks every 200 ms, but the machine may be busy. */
const NOTICE_MILLIS = 20_000;

let cluster: Cluster | undefined;
let here: Calls;
let elsewhere: Calls;

beforeAll(async () => {
  // No request is held here. A long timeout avoids that a busy Azurite fails a call, which nobody would repeat.
  cluster = await Cluster.start({ instances: 2, requestTimeoutMillis: 10_000 });
});

beforeEach(async () => {
  const storeId = randomUUID();
  [here, elsewhere] = cluster!.members.map((member) => new Calls(member, storeId, space)) as [Calls, Calls];
  for (const text of ["first", "second"]) await here.append({ s: text });
  await elsewhere.append({ s: "third" });
});

afterEach(() => {
  for (const each of [here, elsewhere]) each[Symbol.dispose]();
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

describe("a live stream elsewhere ends with NOT_FOUND (STO-005)", () => {
  const follow = { follow: true };
  const streams = {
    consumeSegment: (signal: AbortSignal) =>
      elsewhere.stream.consumeSegment({ storeId: elsewhere.storeId, space, segment: "s", ...follow }, { signal }),
    consumeSpace: (signal: AbortSignal) =>
      elsewhere.stream.consumeSpace({ storeId: elsewhere.storeId, space, ...follow }, { signal }),
    consume: (signal: AbortSignal) =>
      elsewhere.stream.consume({ storeId: elsewhere.storeId, spaces: { [space]: 0n }, ...follow }, { signal }),
  };

  for (const [name, open] of Object.entries(streams)) {
    it(name, { timeout: 60_000 }, async () => {
      const noticed = new AbortController();
      let timer: NodeJS.Timeout | undefined;
      const ending = (async () => {
        for await (const { caughtUp } of open(noticed.signal)) {
          if (!caughtUp || timer !== undefined) continue;
          timer = setTimeout(() => noticed.abort(), NOTICE_MILLIS);
          await here.stores.deleteStore({ storeId: here.storeId });
        }
      })();
      const error = ConnectError.from(await ending.catch((reason) => reason));
      clearTimeout(timer);
      expect(error.code).toBe(Code.NotFound);
      expect(error.findDetails(ErrorDetailSchema)[0]).toMatchObject({ reason: ErrorReason.NOT_FOUND });
    });
  }
});

it("starts again at 1 at the instance that writes it first (STO-004)", async () => {
  await here.stores.deleteStore({ storeId: here.storeId });
  expect(await elsewhere.append({ s: "new" })).toMatchObject({ ranges: [{ firstSequence: 1n, firstOffset: 1n }] });
  for (const each of [here, elsewhere]) expect((await each.read()).map(({ text }) => text)).toEqual(["new"]);
});

it("is forgotten even without another write (STO-004, STO-006)", async () => {
  const transactionId = randomUUID();
  await elsewhere.append({ s: "fourth" }, { transactionId });
  await here.stores.deleteStore({ storeId: here.storeId });
  await here.append({ s: "new" });
  const { transaction, deduplicated } = await elsewhere.append({ s: "again" }, { transactionId });
  expect({ number: transaction?.number, deduplicated }).toEqual({ number: 2n, deduplicated: false });
  for (const each of [here, elsewhere]) expect((await each.read()).map(({ text }) => text)).toEqual(["new", "again"]);
});
