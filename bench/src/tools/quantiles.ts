import type { Sample } from "../peers/peer.ts";
import { percentile } from "./statistics.ts";

/** Number of parts of a distribution, which one more quantile than that describes. */
const PARTS = 20;

/** Evenly spaced quantiles of sorted figures, from the smallest to the largest. */
export function quantilesOf(sorted: ArrayLike<number>): number[] {
  return Array.from({ length: PARTS + 1 }, (_, part) => percentile(sorted, part === 0 ? Number.EPSILON : part / PARTS));
}

/** Quantiles as figures of a sample, under names that begin with `name`. */
export function toSample(name: string, quantiles: readonly number[]): Sample {
  return Object.fromEntries(quantiles.map((value, part) => [`${name} ${part}/${PARTS}`, value]));
}

/** The quantiles that `toSample` put into a sample. */
export function fromSample(sample: Sample, name: string): number[] {
  return Array.from({ length: PARTS + 1 }, (_, part) => {
    const value = sample[`${name} ${part}/${PARTS}`];
    if (value === undefined) throw new Error(`the sample has no quantiles of "${name}"`);
    return value;
  });
}

/** The value at a share of a distribution that is linear between its quantiles; `share` is from 0 to 1. */
export function valueAt(quantiles: readonly number[], share: number): number {
  const at = share * (quantiles.length - 1);
  const below = Math.min(Math.floor(at), quantiles.length - 2);
  const from = quantiles[below];
  return from + (quantiles[below + 1] - from) * (at - below);
}

/** The mean of a distribution that is linear between its quantiles. */
export function meanOf(quantiles: readonly number[]): number {
  let sum = 0;
  for (let part = 1; part < quantiles.length; part++) sum += (quantiles[part - 1] + quantiles[part]) / 2;
  return sum / (quantiles.length - 1);
}
