import { setTimeout as delay } from "node:timers/promises";
import { memoryBus } from "@streamkit/server";
import { payloads } from "../../tools/payloads.ts";
import { summarize } from "../../tools/statistics.ts";
import type { Emulator } from "./emulator.ts";
import { requestsOf } from "./wire-counts.ts";

/** Costs of a follower on one instance while another instance commits. */
export interface FollowerCosts {
  readonly bus: boolean;
  readonly commitsPerSecond: number;
  /** Requests of the follower's instance per commit, including polls without news. */
  readonly requestsPerCommit: number;
  /** Median time from the ack of an append to its delivery, in milliseconds. */
  readonly delayMillis: number;
}

/** Lets one instance commit at a steady rate, and another one follow. */
export async function measureFollower(
  emulator: Emulator,
  bus: boolean,
  commitsPerSecond: number,
  millis: number,
): Promise<FollowerCosts> {
  const name = `${bus ? 1 : 0}${commitsPerSecond}`;
  const open = () => emulator.open(bus ? { bus: memoryBus({ prefix: name }) } : {});
  const [writer, reader] = [await open(), await open()];
  const store = `6f9619ff-8b86-4d01-b42d-d${name.padStart(11, "0")}`;
  const segment = writer.client.store(store).space("bench").segment("s");
  await segment.append(payloads(1));
  const following = reader.client.store(store).space("bench").follow()[Symbol.asyncIterator]();
  await following.next();
  const commits = Math.max(1, Math.round((commitsPerSecond * millis) / 1_000));
  const acked: number[] = [];
  const delivered: number[] = [];
  const { wire } = await reader.during(async () => {
    const receive = async () => {
      while (delivered.length < commits) {
        await following.next();
        delivered.push(performance.now());
      }
    };
    const send = async () => {
      const start = performance.now();
      for (let index = 0; index < commits; index++) {
        // In the middle of its time slot, so that the traffic after the last commit counts too.
        await delay(Math.max(0, start + ((index + 0.5) * 1_000) / commitsPerSecond - performance.now()));
        await segment.append(payloads(1, index));
        acked.push(performance.now());
      }
      await delay(Math.max(0, start + millis - performance.now()));
    };
    await Promise.all([receive(), send()]);
  });
  await following.return?.();
  const delays = acked.map((at, index) => Math.max(0, delivered[index] - at));
  return {
    ...{ bus, commitsPerSecond },
    requestsPerCommit: requestsOf(wire) / commits,
    delayMillis: summarize(delays).median,
  };
}
