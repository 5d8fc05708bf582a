import type { Failure, Response } from "@streamkit/protocol/conformance";
import { responseJson } from "../expect/observed.ts";
import { Statuses } from "../expect/statuses.ts";

/** A call in progress, seen from the runner: what has arrived, and waiting for more. */
export class LiveCall {
  readonly id: bigint;
  readonly responses: Response["message"][] = [];
  failure: Failure | undefined;
  ended = false;
  /** How many responses an await has already looked at. */
  seen = 0;
  readonly #statuses = new Statuses();
  /** Responses whose statuses were taken note of. */
  #noted = 0;
  readonly #watchers = new Set<() => void>();

  constructor(id: bigint) {
    this.id = id;
  }

  /** What all responses of a status subscription tell of segments; nothing for any other call. */
  get statuses(): Statuses {
    for (; this.#noted < this.responses.length; this.#noted++) {
      const response = this.responses[this.#noted]!;
      if (response.case === "subscribeToSegmentStatus") this.#statuses.add(responseJson(response));
    }
    return this.#statuses;
  }

  received(response: Response["message"]): void {
    this.responses.push(response);
    this.#notify();
  }

  finished(failure: Failure | undefined): void {
    this.ended = true;
    this.failure = failure;
    this.#notify();
  }

  /** Resolves with true once `condition` holds, with false after `millis`. */
  until(condition: () => boolean, millis: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (held: boolean): void => {
        clearTimeout(timer);
        this.#watchers.delete(check);
        resolve(held);
      };
      const check = (): void => {
        if (condition()) done(true);
      };
      const timer = setTimeout(() => done(condition()), millis);
      this.#watchers.add(check);
    });
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
