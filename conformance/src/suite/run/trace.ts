import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Observation, type Operation, type TraceLine, TraceLineSchema } from "@streamkit/protocol/conformance";

/** Most lines per case: a generated flood must not fill the memory of the runner. */
const MAX_LINES = 400;

/** The operations and observations of one run of a case, in order. */
export class Trace {
  readonly lines: TraceLine[] = [];
  readonly #start = performance.now();

  operation(operation: Operation): void {
    this.#add({ case: "operation", value: withoutToken(operation) });
  }

  observation(observation: Observation): void {
    this.#add({ case: "observation", value: observation });
  }

  note(note: string): void {
    this.#add({ case: "note", value: note });
  }

  #add(what: NonNullable<MessageInitShape<typeof TraceLineSchema>["what"]>): void {
    if (this.lines.length >= MAX_LINES) return;
    const atMillis = Math.round((performance.now() - this.#start) * 10) / 10;
    this.lines.push(create(TraceLineSchema, { atMillis, what }));
  }
}

/** Hides the token of a connection, because reports publish traces. */
function withoutToken(operation: Operation): Operation {
  const { action } = operation;
  if (action.case !== "connect" || action.value.token === "") return operation;
  return { ...operation, action: { case: "connect", value: { ...action.value, token: "***" } } };
}
