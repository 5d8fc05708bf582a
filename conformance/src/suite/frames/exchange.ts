import type { JsonObject } from "@bufbuild/protobuf";
import type { ServerControl } from "../server/server-under-test.ts";

/** The server of an exchange, and the parameters of its step. */
export interface Exchange {
  /** Base URL of the server. */
  readonly url: string;
  /** Bearer token; empty if the server needs none. */
  readonly token: string;
  readonly store: string;
  readonly space: string;
  /** The `request` of the step, without placeholders and shorthands. */
  readonly parameters: JsonObject;
  /** Time limit of each wait, in milliseconds. */
  readonly millis: number;
  /** Stops the server and starts it again. */
  act(control: ServerControl): Promise<void>;
  /** Adds a line to the trace of the case. */
  note(text: string): void;
}

/** Thrown by an exchange that observed anything but the promised behaviour. The message is the difference. */
export class FrameMismatch extends Error {
  override readonly name = "FrameMismatch";
}

/** @throws FrameMismatch unless `holds` */
export function check(holds: boolean, difference: string): asserts holds {
  if (!holds) throw new FrameMismatch(difference);
}

/** @throws FrameMismatch unless both values are the same */
export function checkSame(subject: string, found: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  check(left === right, `${subject}: expected ${right}, found ${left}`);
}
