import type { AppendEvent } from "../event.ts";
import type { SpaceHistory, Violation } from "../space-history.ts";
import { mayBeForgotten } from "./appends.ts";

/** DED-001, DED-002, DED-003, DED-004: all calls of a transaction, at any instances, have the same result. */
export function* checkRepeats(history: SpaceHistory): Generator<Violation> {
  for (const [id, calls] of history.transactions) {
    const acked = calls.flatMap((call) => (call.outcome.is === "acked" ? [{ ...call, outcome: call.outcome }] : []));
    const [first] = acked.toSorted((a, b) => a.end - b.end);
    if (first === undefined) continue;
    const answers = new Set(
      acked.map(({ outcome: { ranges, number, micros } }) => JSON.stringify([ranges, number, micros])),
    );
    if (answers.size > 1) yield { clause: "DED-001", what: `${id} has several results: ${[...answers].join(" and ")}` };
    for (const call of calls) yield* checkCall(call, first, history);
    if (calls.length === 1 && first.attempts === 1 && first.outcome.deduplicated) {
      yield { clause: "DED-002", what: `${id} was sent once, but its answer says that it is a repetition` };
    }
  }
}

function* checkCall(call: AppendEvent, first: AppendEvent, history: SpaceHistory): Generator<Violation> {
  const { transactionId, outcome, start } = call;
  if (outcome.is === "refused" && !mayBeForgotten(call, history)) {
    yield { clause: "DED-003", what: `${transactionId} was acknowledged to one caller but refused to another` };
  }
  if (outcome.is === "acked" && !outcome.deduplicated && start > first.end) {
    yield {
      clause: "DED-001",
      what: `${transactionId} was repeated after its answer, but the second answer says that it is the first`,
    };
  }
}
