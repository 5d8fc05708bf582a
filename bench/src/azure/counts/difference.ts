/** The difference between two states of the same counts. */
export function difference<Counts extends { [name in keyof Counts]: number }>(after: Counts, before: Counts): Counts {
  const result = { ...after };
  for (const name of Object.keys(after) as (keyof Counts)[]) {
    result[name] = (after[name] - before[name]) as Counts[keyof Counts];
  }
  return result;
}

/** The sum of several counts. */
export function sum<Counts extends { [name in keyof Counts]: number }>(
  all: readonly [Counts, ...(readonly Counts[])],
): Counts {
  const result = { ...all[0] };
  for (const counts of all.slice(1)) {
    for (const name of Object.keys(result) as (keyof Counts)[]) {
      result[name] = (result[name] + counts[name]) as Counts[keyof Counts];
    }
  }
  return result;
}
