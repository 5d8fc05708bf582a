import { setTimeout } from "node:timers/promises";
import { createStreamkitClient, json } from "@streamkit/client";
import type { Random } from "../lab/random.ts";
import { anyInstance } from "./any-instance.ts";
import { INPUTS, type Input } from "./settings.ts";

/**
 * Appends numbered entries to all inputs until the signal is aborted. Resolves to the ids of the acknowledged entries.
 */
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
    const [space, segments] = spaces[random.below(spaces.length)];
    // Some transactions write to a second segment too.
    const first = random.below(segments.length);
    const chosen = random.chance(0.3) ? [first, (first + 1) % segments.length] : [first];
    const appends = chosen.map((index) => {
      const records = Array.from({ length: 1 + random.below(4) }, () => ({ id: `${name}-${number++}` }));
      return { segment: segments[index], records };
    });
    try {
      await store.space(space).append(appends);
      onAcked(appends.flatMap(({ records }) => records.map(({ id }) => id)));
    } catch {
      // The outcome is unknown. If the append is stored, a consumer must handle its entries.
    }
    await setTimeout(random.below(MOST_PAUSE_MILLIS), undefined, { signal }).catch(() => {});
  }
}

/** Longest pause between appends: a consumer that is often interrupted can keep up with this pace. */
const MOST_PAUSE_MILLIS = 500;
