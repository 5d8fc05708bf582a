import { setTimeout } from "node:timers/promises";
import { createStreamkitClient, json } from "@streamkit/client";
import type { Random } from "../lab/random.ts";
import { anyInstance } from "./any-instance.ts";
import { INPUTS, type Input } from "./settings.ts";

/** Writes numbered entries to all inputs until told to stop; tells which are acknowledged. */
export async function write(
  name: string,
  random: Random,
  target: { readonly urls: readonly string[]; readonly storeId: string; readonly callMillis: number },
  signal: AbortSignal,
  onAcked: (ids: readonly string[]) => void,
): Promise<void> {
  const transport = anyInstance(target.urls, random.below(target.urls.length));
  const store = createStreamkitClient({ transport, timeoutMillis: target.callMillis })
    .store(target.storeId)
    .withCodec(json<Input>());
  const spaces = Object.entries(INPUTS);
  for (let number = 0; !signal.aborted; ) {
    const [space, segments] = spaces[random.below(spaces.length)]!;
    // Of some transactions, a part goes to a second segment.
    const first = random.below(segments.length);
    const chosen = random.chance(0.3) ? [first, (first + 1) % segments.length] : [first];
    const appends = chosen.map((index) => {
      const records = Array.from({ length: 1 + random.below(4) }, () => ({ id: `${name}-${number++}` }));
      return { segment: segments[index]!, records };
    });
    try {
      await store.space(space).append(appends);
      onAcked(appends.flatMap(({ records }) => records.map(({ id }) => id)));
    } catch {
      // Its outcome is not known; what is stored of it is to be handled all the same.
    }
    await setTimeout(random.below(MOST_PAUSE_MILLIS), undefined, { signal }).catch(() => {});
  }
}

/** The pace: what a consumer that is interrupted all the time can follow. */
const MOST_PAUSE_MILLIS = 500;
