/** The fencing tokens that an append may carry: none that would lock a segment against every lease (decision 0014). */
import { ErrorReason } from "@streamkit/protocol";
import { afterEach, expect, it } from "vitest";
import { memoryStorage } from "../src/index.ts";
import { endInstances, failureOf, type Instance, makeInstance } from "./instance.ts";

const HEADROOM = 1_000n;
const instances: Instance[] = [];
afterEach(() => endInstances(instances.splice(0)));

function instance(storage = memoryStorage()): Instance {
  const made = makeInstance(storage);
  instances.push(made);
  return made;
}

const append = ({ stream }: Instance, storeId: string, fencingToken: bigint, segment = "a") =>
  stream.append({ storeId, space: "s", appends: [{ segment, fencingToken, records: [{}] }] });

/** Takes and releases a lease `times` times. Resolves with the last token. */
async function acquire({ leases }: Instance, storeId: string, times: number): Promise<bigint> {
  let token = 0n;
  for (let i = 0; i < times; i++) {
    const { lease } = await leases.acquireLease({ storeId, key: "k", holder: "h" });
    token = lease?.fencingToken ?? 0n;
    if (i < times - 1) await leases.releaseLease({ storeId, key: "k", holder: "h", fencingToken: token });
  }
  return token;
}

it("refuses tokens far above those of all leases, and remembers none of them (M9)", async () => {
  const server = instance();
  const storeId = crypto.randomUUID();
  for (const token of [HEADROOM + 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    const failure = await failureOf(append(server, storeId, token));
    expect(failure).toMatchObject({ reason: ErrorReason.INVALID_FIELD, retryable: false });
    expect(failure?.fieldViolations.map(({ field }) => field)).toEqual(["appends[0].fencing_token"]);
  }
  await append(server, storeId, await acquire(server, storeId, 1));
  await append(server, storeId, HEADROOM);
  expect(await failureOf(append(server, storeId, 1n))).toMatchObject({ reason: ErrorReason.FENCED });
});

it("accepts every token that a lease has handed out, on every instance and after a restart", async () => {
  const storage = memoryStorage({ shared: true });
  const [one, other] = [instance(storage), instance(storage)];
  const storeId = crypto.randomUUID();
  const token = await acquire(one, storeId, 1_600);
  expect(token).toBe(1_600n);
  for (const [index, server] of [one, other, instance(storage)].entries()) {
    await append(server, storeId, token, `s${index}`);
    expect(await failureOf(append(server, storeId, token + HEADROOM + 1n))).toMatchObject({
      reason: ErrorReason.INVALID_FIELD,
    });
  }
});

it("refuses such a token in order in a Produce session, and in a request with other appends", async () => {
  const server = instance();
  const storeId = crypto.randomUUID();
  const appends = [{ segment: "a", records: [{}] }];
  async function* requests() {
    yield { storeId, space: "s", appends };
    yield {
      appends: [...appends, { segment: "b", fencingToken: 2n ** 60n }, { segment: "c", fencingToken: 2n ** 61n }],
    };
    yield { appends };
  }
  const results: bigint[] = [];
  const session = (async () => {
    for await (const { ranges } of server.stream.produce(requests())) results.push(ranges[0].lastSequence);
  })();
  const failure = await failureOf(session);
  expect(failure?.fieldViolations.map(({ field }) => field)).toEqual([
    "appends[1].fencing_token",
    "appends[2].fencing_token",
  ]);
  expect(results).toEqual([1n]);
});
