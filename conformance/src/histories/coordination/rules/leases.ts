import type { LeaseCall, LeaseLook } from "../event.ts";
import type { KeyHistory, Violation } from "../key-history.ts";

/** An acknowledged acquisition or renewal. */
export type Grant = LeaseCall & { readonly outcome: { readonly is: "granted"; readonly token: number } };

export function isGrant(call: LeaseCall): call is Grant {
  return call.outcome.is === "granted";
}

/** LEA-027: each token has one holder. */
export function* checkOwners({ grants, looks }: KeyHistory): Generator<Violation> {
  const owners = new Map<number, string>();
  const shown = looks.flatMap(({ found }) => found ?? []);
  for (const { holder, token } of [...grants.map(claimOf), ...shown]) {
    const owner = owners.get(token) ?? holder;
    owners.set(token, owner);
    if (owner !== holder) yield { clause: "LEA-027", what: `token ${token} belongs to both ${owner} and ${holder}` };
  }
}

/** LEA-005, LEA-010, LEA-028: after a token was granted, no smaller one is granted or shown. */
export function* checkRising({ grants, looks }: KeyHistory): Generator<Violation> {
  for (const before of grants) {
    const { token } = before.outcome;
    for (const after of grants) {
      if (before.end >= after.start || after.outcome.token >= token) continue;
      const clause = after.rpc === "acquire" ? "LEA-005" : "LEA-010";
      yield { clause, what: `${after.rpc} granted token ${after.outcome.token} after ${token}` };
    }
    for (const look of looks) {
      if (before.end < look.start && look.found !== undefined && look.found.token < token) {
        yield { clause: "LEA-028", what: `token ${look.found.token} was shown after ${token} was granted` };
      }
    }
  }
}

/** LEA-005, LEA-009: a released lease does not come back. */
export function* checkReleased({ calls, grants }: KeyHistory): Generator<Violation> {
  for (const release of calls) {
    if (release.outcome.is !== "released") continue;
    for (const grant of grants) {
      if (release.end >= grant.start || grant.outcome.token !== release.claimed) continue;
      // The release of another holder's lease has no effect.
      if (grant.holder !== release.holder) continue;
      const clause = grant.rpc === "acquire" ? "LEA-005" : "LEA-009";
      yield { clause, what: `${grant.rpc} granted token ${grant.outcome.token} after its release` };
    }
  }
}

/** LEA-015, LEA-004: a holder keeps its lease for the ttl, measured by its own clock, unless it releases the lease. */
export function* checkHeld(history: KeyHistory): Generator<Violation> {
  for (const grant of history.grants) {
    const { holder, outcome, start, ttlMillis } = grant;
    const { token } = outcome;
    const over = Math.min(start + ttlMillis, history.firstRelease(holder, token));
    const what = `${holder} has token ${token} for ${ttlMillis} ms`;
    for (const other of history.grants) {
      if (other.outcome.token <= token || other.end >= over) continue;
      yield { clause: "LEA-015", what: `${what}; ${other.holder} got token ${other.outcome.token} within that time` };
    }
    for (const call of history.calls) {
      if (call.holder !== holder || call.start <= grant.end || call.end >= over) continue;
      if (call.rpc === "renew" && call.claimed === token && call.outcome.is === "lost") {
        yield { clause: "LEA-015", what: `${what}; a renewal within that time was refused` };
      }
      if (call.rpc === "acquire" && call.outcome.is === "held") {
        yield { clause: "LEA-004", what: `${what}; within that time it was refused to its holder as held by another` };
      }
    }
    for (const look of history.looks) {
      if (look.start <= grant.end || look.end >= over || look.found?.token === token) continue;
      yield { clause: "LEA-028", what: `${what}; within that time it was ${shownAs(look)}` };
    }
  }
}

/** LEA-002: a lease is refused only if another caller may hold it. */
export function* checkRefused({ calls }: KeyHistory): Generator<Violation> {
  for (const refused of calls) {
    if (refused.outcome.is !== "held") continue;
    const others = calls.some(
      ({ rpc, holder, start, outcome }) =>
        rpc === "acquire" &&
        holder !== refused.holder &&
        start < refused.end &&
        (outcome.is === "granted" || outcome.is === "unknown"),
    );
    if (!others)
      yield {
        clause: "LEA-002",
        what: `${refused.holder} was refused although no other caller had asked for the lease`,
      };
  }
}

function claimOf({ holder, outcome }: Grant): { readonly holder: string; readonly token: number } {
  return { holder, token: outcome.token };
}

function shownAs({ found }: LeaseLook): string {
  return found === undefined ? "shown as free" : `shown as that of ${found.holder}, with token ${found.token}`;
}
