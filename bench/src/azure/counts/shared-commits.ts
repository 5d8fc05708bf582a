import { payloads } from "../../tools/payloads.ts";
import type { Emulator } from "./emulator.ts";
import type { WireCounts } from "./wire-counts.ts";

/** The number of appends that shared commits. */
export interface SharedCommits {
  readonly writers: number;
  /** "one": all writers write one segment. "each": every writer has a segment of its own. */
  readonly segments: "one" | "each";
  readonly appends: number;
  readonly wire: WireCounts;
}

/** Lets several writers append at the same time. Each appends one record after the other, and waits for each ack. */
export async function measureSharedCommits(
  emulator: Emulator,
  writers: number,
  segments: SharedCommits["segments"],
  appendsPerWriter: number,
): Promise<SharedCommits> {
  const instance = await emulator.open();
  const store = `6f9619ff-8b86-4d01-b42d-${segments === "one" ? "a" : "b"}${String(writers).padStart(11, "0")}`;
  const space = instance.client.store(store).space("bench");
  const segmentOf = (writer: number) => space.segment(segments === "one" ? "s" : `s${writer}`);
  for (let writer = 0; writer < writers; writer++) await segmentOf(writer).append(payloads(1));
  const { wire } = await instance.during(() =>
    Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let index = 0; index < appendsPerWriter; index++) await segmentOf(writer).append(payloads(1, index));
      }),
    ),
  );
  return { writers, segments, appends: writers * appendsPerWriter, wire };
}
