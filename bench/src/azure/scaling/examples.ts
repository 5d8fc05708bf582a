import type { Load } from "./load.ts";

/** A load that the tables show. */
export interface Example {
  readonly name: string;
  readonly load: Load;
}

/** Milliseconds of a commit in the examples, for servers in the region of their account. */
export const ASSUMED_COMMIT_MILLIS = 10;

const quiet: Load = {
  appendsPerSecond: 0,
  recordsPerAppend: 1,
  appendsPerCommit: 1,
  segmentsPerCommit: 1,
  expecting: false,
  conflictsPerCommit: 0,
  instances: 1,
  followedSpaces: 0,
  commitMillis: ASSUMED_COMMIT_MILLIS,
};

/** Example loads, from small to large. */
export const EXAMPLES: readonly Example[] = [
  { name: "100 appends/s of 1 record", load: { ...quiet, appendsPerSecond: 100 } },
  { name: "100 appends/s of 1 record, expecting", load: { ...quiet, appendsPerSecond: 100, expecting: true } },
  {
    name: "100 appends/s of 1 record, 2 instances on one space, 0.4 lost races per commit",
    load: { ...quiet, appendsPerSecond: 100, instances: 2, conflictsPerCommit: 0.4 },
  },
  {
    name: "1,000 appends/s of 1 record, 8 share a commit",
    load: { ...quiet, appendsPerSecond: 1_000, appendsPerCommit: 8, segmentsPerCommit: 8 },
  },
  {
    name: "10,000 appends/s of 10 records, 8 share a commit, 4 instances",
    load: {
      ...quiet,
      ...{ appendsPerSecond: 10_000, recordsPerAppend: 10, appendsPerCommit: 8, segmentsPerCommit: 8, instances: 4 },
    },
  },
  {
    name: "10,000 appends/s of 10 records, expecting, 8 share a commit, 4 instances",
    load: {
      ...quiet,
      ...{ appendsPerSecond: 10_000, recordsPerAppend: 10, appendsPerCommit: 8, segmentsPerCommit: 8, instances: 4 },
      expecting: true,
    },
  },
  { name: "no appends, 1 instance follows 1 space", load: { ...quiet, followedSpaces: 1 } },
  { name: "no appends, 4 instances follow 1,000 spaces each", load: { ...quiet, instances: 4, followedSpaces: 1_000 } },
];
