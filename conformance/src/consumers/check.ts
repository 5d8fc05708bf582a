import { type HandOver, handOversOf } from "./hand-overs.ts";
import type { ConsumerEvent, SoakHistory } from "./history.ts";
import type { InputEntry, Output } from "./settings.ts";

/** A broken promise of exclusive consumers. */
export interface SoakViolation {
  readonly rule: "handled" | "order" | "one holder" | "hand-over" | "alive";
  readonly what: string;
}

type Rule = (history: SoakHistory) => Iterable<SoakViolation>;

const RULES: readonly Rule[] = [checkHandled, checkOrder, checkTokens, checkAlone, checkHandOvers, checkAlive];

/**
 * Checks the promises of exclusive consumers (docs/coordination.md) against the stored entries and all reported events.
 */
export function checkSoak(history: SoakHistory): SoakViolation[] {
  return RULES.flatMap((rule) => [...rule(history)]);
}

/** Every stored entry was handled, and nothing else was. Every acknowledged entry is stored. */
function* checkHandled({ acked, inputs, outputs }: SoakHistory): Iterable<SoakViolation> {
  const violation = (what: string): SoakViolation => ({ rule: "handled", what });
  const stored = new Map(inputs.map((input) => [input.id, input]));
  for (const id of acked) if (!stored.has(id)) yield violation(`${id} was acknowledged but is not stored`);
  const handled = new Set<string>();
  for (const { input, process } of outputs) {
    if (input === undefined) continue;
    handled.add(input.id);
    const entry = stored.get(input.id);
    if (entry === undefined || placeOf(entry) !== placeOf(input)) {
      yield violation(
        `${process} handled ${input.id} as ${placeOf(input)}; it is ${entry ? placeOf(entry) : "nowhere"}`,
      );
    }
  }
  for (const input of inputs) {
    if (!handled.has(input.id)) yield violation(`${input.id}, ${placeOf(input)}, was not handled`);
  }
}

/**
 * A consumer that takes over begins at or directly after an entry that was handled before, and continues entry by
 * entry.
 */
function* checkOrder({ outputs }: SoakHistory): Iterable<SoakViolation> {
  const segments = Map.groupBy(
    outputs.filter((output) => output.input !== undefined),
    ({ input }) => `${input!.space}/${input!.segment}`,
  );
  for (const [segment, handled] of segments) {
    let most = 0;
    let last: { readonly token: number; readonly sequence: number } | undefined;
    for (const { token, process, input } of handled) {
      const { sequence } = input!;
      const goesOn = last?.token === token ? sequence === last.sequence + 1 : sequence <= most + 1;
      if (!goesOn) {
        const before = last?.token === token ? last.sequence : most;
        yield { rule: "order", what: `${process} handled ${sequence} of ${segment} under ${token}, after ${before}` };
      }
      most = Math.max(most, sequence);
      last = { token, sequence };
    }
  }
}

/**
 * In the order of the space, all entries after a takeover carry its token or a larger one. Each token has one owner.
 */
function* checkTokens({ outputs }: SoakHistory): Iterable<SoakViolation> {
  let latest: Output | undefined;
  const owners = new Map<number, string>();
  for (const output of outputs) {
    const { token, process } = output;
    const owner = owners.get(token) ?? process;
    owners.set(token, owner);
    if (owner !== process) yield { rule: "one holder", what: `${owner} and ${process} both have token ${token}` };
    if (latest !== undefined && token < latest.token) {
      const what = `${process} wrote ${describe(output)} under ${token}, after ${latest.process} had under ${latest.token}`;
      yield { rule: "one holder", what };
    } else {
      latest = output;
    }
  }
}

/** A consumer that is neither killed nor frozen learns that another one is active within the duration of a call. */
function* checkAlone({ events, callMillis }: SoakHistory): Iterable<SoakViolation> {
  const sorted = events.filter((event) => "process" in event).sort((a, b) => a.at - b.at);
  let active: string | undefined;
  for (const [index, { process, at, ...event }] of sorted.entries()) {
    if (process === active && endsWork(event)) active = undefined;
    if (event.kind !== "state" || event.state !== "running") continue;
    const before = active;
    active = process;
    if (before === undefined) continue;
    const next = sorted.slice(index).find((later) => later.process === before && endsWork(later));
    if (next !== undefined && next.at - at <= callMillis) continue;
    yield {
      rule: "one holder",
      what: `${process} became active at ${at.toFixed(0)} while ${before} was active and continued`,
    };
  }
}

function endsWork({ kind }: ConsumerEvent): boolean {
  return kind !== "committed" && kind !== "output";
}

function* checkHandOvers(history: SoakHistory): Iterable<SoakViolation> {
  for (const handOver of handOversOf(history)) {
    const { from, to, bound, outputAt, outputBound } = handOver;
    if (to - from > bound) yield late(handOver, "had the lease", to - from, bound);
    if (outputAt !== undefined && outputAt - from > outputBound) {
      yield late(handOver, "had written", outputAt - from, outputBound);
    }
  }
}

function late({ cause, by, from, troubles }: HandOver, what: string, took: number, bound: number): SoakViolation {
  const [shown, most] = [took, bound].map((millis) => millis.toFixed(0));
  const told = `${by} ${what} ${shown} ms after its predecessor had ${cause === "gave up" ? "given up" : `been ${cause}`}`;
  return {
    rule: "hand-over",
    what: `${told}, at ${from.toFixed(0)}; expected at most ${most}, with ${troubles} troubles of instances`,
  };
}

function* checkAlive({ events }: SoakHistory): Iterable<SoakViolation> {
  for (const event of events) {
    if (!("process" in event)) continue;
    if (event.kind === "died") yield { rule: "alive", what: `${event.process}: ${event.how}` };
    if (event.kind === "state" && event.state === "failed") {
      yield { rule: "alive", what: `${event.process} has failed: ${event.reason}` };
    }
  }
}

function placeOf({ space, segment, sequence }: InputEntry): string {
  return `${space}/${segment} ${sequence}`;
}

function describe({ input }: Output): string {
  return input === undefined ? "its takeover" : `${input.id}, ${placeOf(input)},`;
}
