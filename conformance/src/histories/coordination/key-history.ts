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

/** Everything about one lease, and what was written under it. */
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

  /** When a holder first began to give back a token, whether or not it was answered; Infinity if never. */
  firstRelease(holder: string, token: number): number {
    const releases = this.calls.filter(
      (call) => call.rpc === "release" && call.holder === holder && call.claimed === token,
    );
    return Math.min(Number.POSITIVE_INFINITY, ...releases.map(({ start }) => start));
  }
}

/** Everything about one cursor. */
export class CursorHistory {
  readonly commits: readonly CursorCommit[];
  readonly acked: readonly AckedCommit[];
  /** The last one is of the very end. */
  readonly reads: readonly CursorRead[];

  constructor(events: readonly CoordinationEvent[]) {
    this.commits = events.filter((event) => event.kind === "commit");
    this.acked = this.commits.filter((commit): commit is AckedCommit => commit.outcome.is === "acked");
    this.reads = events.filter((event) => event.kind === "cursor");
  }
}
