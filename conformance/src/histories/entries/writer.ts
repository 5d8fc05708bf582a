import type { Caller, Target } from "./caller.ts";
import type { AppendEvent, AppendedPart } from "./event.ts";
import type { PlannedAppend, PlannedSession, PlannedTrim, PlannedWrite } from "./plan.ts";
import { produce } from "./produce.ts";

/** Number of further writes before a planned later repetition. */
const LATER_WRITES = 10;

/** Does the writes of one writer, one after the other. */
export class Writer {
  readonly #caller: Caller;
  readonly #actor: string;
  /** The pending repetitions, with the number of the write after which each is due. */
  readonly #later: { readonly after: number; readonly repeat: () => Promise<unknown> }[] = [];

  constructor(caller: Caller, actor: string) {
    this.#caller = caller;
    this.#actor = actor;
  }

  async run(writes: readonly PlannedWrite[], onWritten: () => void): Promise<void> {
    for (const [index, write] of writes.entries()) {
      if (write.kind === "append") await this.#append(write, index);
      else if (write.kind === "session") await this.#produce(write);
      else await this.#trim(write);
      onWritten();
      while (this.#later.length > 0 && this.#later[0].after <= index) await this.#later.shift()!.repeat();
    }
    for (const { repeat } of this.#later) await repeat();
  }

  async #append(planned: PlannedAppend, index: number): Promise<void> {
    const { transactionId, repeat, look } = planned;
    const target = this.#target(planned);
    const parts = this.#parts(planned);
    const again = (): Promise<AppendEvent> =>
      this.#caller.append({ ...target, instance: repeat!.instance }, transactionId, parts);
    const twin = repeat?.when === "at once" ? again() : undefined;
    const event = await this.#caller.append(target, transactionId, parts);
    await twin;
    if (event.outcome.is !== "acked") return;
    if (look !== undefined) await this.#look(event, { ...target, instance: look.instance }, look.at);
    if (repeat?.when === "next") await again();
    if (repeat?.when === "later") this.#later.push({ after: index + LATER_WRITES, repeat: again });
  }

  /** G5: an acknowledged entry is visible at every instance. The checker compares the result. */
  async #look({ outcome }: AppendEvent, target: Target, at: "segment" | "space" | "peek" | "status"): Promise<void> {
    const range = outcome.is === "acked" ? outcome.ranges[0] : undefined;
    if (range === undefined) return;
    if (at === "segment") await this.#caller.read(target, range.segment, range.firstSequence);
    else if (at === "space") await this.#caller.read(target, undefined, Math.max(1, range.firstOffset));
    else if (at === "peek") await this.#caller.peek(target, range.segment);
    else await this.#caller.status(target, range.segment);
  }

  /** Appends without an answer are repeated after all trouble has ended. */
  async #produce(planned: PlannedSession): Promise<void> {
    const target = this.#target(planned);
    const appends = planned.appends.map((append) => ({ ...append, parts: this.#parts(append) }));
    await produce(this.#caller, target, appends);
  }

  async #trim(planned: PlannedTrim): Promise<void> {
    const { space, segment, part } = planned;
    const before = 1 + Math.floor(this.#caller.positions.last(space, segment) * part);
    if (before > 1) await this.#caller.trim(this.#target(planned), segment, before);
  }

  #parts({ space, parts }: PlannedAppend): AppendedPart[] {
    return parts.map(({ segment, payloads, conditional }) => ({
      segment,
      payloads,
      ...(conditional ? { expected: this.#caller.positions.last(space, segment) } : {}),
    }));
  }

  #target({ instance, space }: { instance: number; space: string }): Target {
    return { actor: this.#actor, instance, space };
  }
}
