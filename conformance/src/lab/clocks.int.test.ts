/** Fault 18: the clocks of instances differ by minutes and are set back while the instances run. */
import { randomUUID } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Calls, microsOf } from "./calls.ts";
import { Cluster } from "./cluster.ts";

const space = "orders";
const MINUTE = 60_000;

let cluster: Cluster | undefined;

beforeAll(async () => {
  // No request is held here. A long timeout avoids that a busy Azurite fails a call, which nobody would repeat.
  cluster = await Cluster.start({ instances: 3, requestTimeoutMillis: 10_000 });
});

afterAll(() => cluster?.[Symbol.asyncDispose]());

it("gives transactions rising times in the order of the space, regardless of the clocks", {
  timeout: 120_000,
}, async () => {
  const { members } = cluster!;
  const storeId = randomUUID();
  const calls = members.map((member) => new Calls(member, storeId, space));
  const following = calls.map((each) => each.follow(60));
  const times: number[] = [];
  const setClocks = (minutes: readonly number[]) =>
    Promise.all(minutes.map((offset, index) => members[index].instance.setClock(offset * MINUTE)));
  for (const minutes of [
    [2.5, -2.5, 0],
    [-2.5, -2.5, -2.5],
    [0, 2.5, -2.5],
    [0, 0, 0],
  ]) {
    await setClocks(minutes);
    for (let n = 0; n < 15; n++) {
      const { commitTime } = await calls[n % 3].append({ [`s${n % 2}`]: `${times.length}` });
      times.push(microsOf(commitTime));
    }
  }
  // No instance waits for its clock: a commit time 2.5 minutes ahead is followed by the next microseconds.
  expect(times.every((time, index) => index === 0 || time > times[index - 1])).toBe(true);
  expect(times[0] - Date.now() * 1_000).toBeGreaterThan(2 * MINUTE * 1_000);
  expect(times[59] - times[0]).toBeLessThan(MINUTE * 1_000);
  for (const entries of await Promise.all(following)) expect(entries.map(({ micros }) => micros)).toEqual(times);
  for (const each of calls) expect((await each.read()).map(({ micros }) => micros)).toEqual(times);

  // Time bounds find their position even at an instance with a different clock.
  const from = times[30];
  const minTime = { ...timestampFromMs(Math.floor(from / 1_000)), nanos: (from % 1_000_000) * 1_000 };
  const found = [];
  for await (const { batches } of calls[1].stream.consumeSpace({ storeId, space, minTime })) {
    found.push(...batches.map(({ commitTime }) => microsOf(commitTime)));
  }
  expect(found).toEqual(times.slice(30));
  for (const each of calls) each[Symbol.dispose]();
});

it("recognises transactions although clocks differ and are set back (G7)", { timeout: 120_000 }, async () => {
  const { members } = cluster!;
  const storeId = randomUUID();
  const calls = members.map((member) => new Calls(member, storeId, space));
  const transactionId = randomUUID();
  await members[0].instance.setClock(-2.5 * MINUTE);
  await members[1].instance.setClock(2.5 * MINUTE);
  const first = await calls[0].append({ s: "once" }, { transactionId });
  // The restart empties its memory.
  await members[1].instance.restart();
  using cold = new Calls(members[1], storeId, space);
  const answers = [await cold.append({ s: "once" }, { transactionId })];
  await members[0].instance.setClock(2.5 * MINUTE);
  await members[2].instance.setClock(-2.5 * MINUTE);
  for (const index of [0, 2]) answers.push(await calls[index].append({ s: "once" }, { transactionId }));
  for (const answer of answers) {
    expect(answer).toMatchObject({ deduplicated: true, ranges: first.ranges, commitTime: first.commitTime });
  }
  expect(await cold.read()).toHaveLength(1);
  for (const each of calls) each[Symbol.dispose]();
});
