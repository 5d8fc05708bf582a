import type {
  CoordinationEvent,
  CursorCommit,
  CursorRead,
  FencedAppend,
  FencedLog,
  LeaseCall,
  LeaseLook,
} from "./event.ts";
import type { AckedCommit } from "./rules/cursors.ts";
import { type Grant, isGrant } from "./rules/leases.ts";

export type { Violation } from "../entries/space-history.ts";

/** The events of one lease, and the entries written under it. */
export class KeyHistory {
  readonly calls: readonly LeaseCall[];
  readonly grants: readonly Grant[];
  readonly looks: readonly LeaseLook[];
  readonly appends: readonly FencedAppend[];
  readonly log: FencedLog | undefined;

  constructor(events: readonly CoordinationEvent[]) {
    this.calls = events.filter((event) => event.kind === "lease");
    this.grants = this.calls.filter(isGrant);
    this.looks = events.filter((event) => event.kind === "look");
    this.appends = events.filter((event) => event.kind === "fenced");
    this.log = events.find((event) => event.kind === "log");
  }

  /**
   * Returns the time at which a holder first started to release a token, with or without an answer; Infinity if never.
   */
  firstRelease(holder: string, token: number): number {
    const releases = this.calls.filter(
      (call) => call.rpc === "release" && call.holder === holder && call.claimed === token,
    );
    return Math.min(Number.POSITIVE_INFINITY, ...releases.map(({ start }) => start));
  }
}

/** The events of one cursor. */
export class CursorHistory {
  readonly commits: readonly CursorCommit[];
  readonly acked: readonly AckedCommit[];
  /** The reads of the cursor. The last one is from the end of the run. */
  readonly reads: readonly CursorRead[];

  constructor(events: readonly CoordinationEvent[]) {
    this.commits = events.filter((event) => event.kind === "commit");
    this.acked = this.commits.filter((commit): commit is AckedCommit => commit.outcome.is === "acked");
    this.reads = events.filter((event) => event.kind === "cursor");
  }
}
