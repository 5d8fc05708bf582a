import { create } from "@bufbuild/protobuf";
import { ProduceRequestSchema } from "@streamkit/protocol";
import { ProduceStartSchema } from "@streamkit/protocol/conformance";
import type { LiveCall } from "../../suite/run/live-call.ts";
import type { Caller, Target } from "./caller.ts";
import type { AppendEvent, AppendedPart } from "./event.ts";
import { requestOf } from "./requests.ts";

interface Append {
  readonly transactionId: string;
  readonly parts: readonly AppendedPart[];
}

/**
 * Sends appends in one Produce session, all at once, and reads the answers as they arrive. Resolves to one event per
 * append. After a refusal, none of the following appends is applied (PRO-004). After any other failure, the outcome of
 * appends without an answer is unknown.
 */
export async function produce(caller: Caller, target: Target, appends: readonly Append[]): Promise<AppendEvent[]> {
  const start = performance.now();
  const call = await caller.open(target, requestOf({ case: "produce", value: create(ProduceStartSchema) }));
  for (const { transactionId, parts } of appends) {
    const { $typeName: _, ...request } = caller.requests.append(target.space, transactionId, parts);
    caller.send(call, create(ProduceRequestSchema, request));
  }
  caller.closeSend(call);
  const events: AppendEvent[] = [];
  for (const [index, { transactionId, parts }] of appends.entries()) {
    const answered = await call.until(() => call.ended || call.responses.length > index, caller.callMillis);
    if (!answered) caller.cancel(call);
    const outcome = outcomeOf(caller, call, index, target.space);
    events.push(caller.appended(start, target, { transactionId, parts, attempts: 1, outcome }));
  }
  caller.ended(call, "produce", target, start);
  return events;
}

function outcomeOf(caller: Caller, call: LiveCall, index: number, space: string): AppendEvent["outcome"] {
  const response = call.responses[index];
  if (response?.case === "produce") return caller.acked(response.value, space);
  const refused = caller.refused(call, space);
  if (refused === undefined) return { is: "unknown" };
  return index === call.responses.length ? refused : { is: "refused" };
}
