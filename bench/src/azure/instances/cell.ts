/** One arrangement of instances to measure. */
export interface Cell {
  readonly instances: number;
  /** "one": all instances write one space. "each": every instance has a space of its own. */
  readonly spaces: "one" | "each";
  /** Delay of each request to the storage. */
  readonly delayMillis: number;
}

/** Numbers of instances to compare. */
export const INSTANCES = [1, 2, 4];

/** The arrangements with one delay. The first is the reference for the others. */
export function cellsOf(delayMillis: number): Cell[] {
  return INSTANCES.flatMap((instances) =>
    (["one", "each"] as const)
      // For one instance, both are the same.
      .filter((spaces) => instances > 1 || spaces === "one")
      .map((spaces) => ({ instances, spaces, delayMillis })),
  );
}

/** Name of the cell in tables. Without a comma, so that --only can name it. */
export function cellLabel({ instances, spaces, delayMillis }: Cell): string {
  const where = spaces === "one" ? "on one space" : "on a space each";
  const what = instances === 1 ? "1 instance" : `${instances} instances ${where}`;
  return `streamkit ${what}${delayLabel(delayMillis)}`;
}

/** Name of the raw limit of as many processes. */
export function rawLabel(processes: number, inFlight: number, delayMillis: number): string {
  const what = `raw-table ${processes} ${processes === 1 ? "process" : "processes"}`;
  return `${what}${inFlight === 1 ? "" : ` x ${inFlight}`}${delayLabel(delayMillis)}`;
}

function delayLabel(delayMillis: number): string {
  return delayMillis === 0 ? "" : ` +${delayMillis} ms`;
}
