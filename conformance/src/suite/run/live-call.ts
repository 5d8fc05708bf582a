import type { Failure, Response } from "@streamkit/protocol/conformance";
import { responseJson } from "../expect/observed.ts";
import { Roster } from "../expect/roster.ts";
import { Statuses } from "../expect/statuses.ts";

/** A call in progress as the runner sees it: the responses so far, and a way to wait for more. */
export class LiveCall {
  readonly id: bigint;
  readonly responses: Response["message"][] = [];
  failure: Failure | undefined;
  ended = false;
  /** Number of responses that earlier awaits have seen. */
  seen = 0;
  readonly #keep: number;
  readonly #statuses = new Statuses();
  readonly #roster = new Roster();
  /** Number of responses that are applied to the statuses and the roster. */
  #noted = 0;
  readonly #watchers = new Set<() => void>();

  /** @param keep most responses that are kept, beginning with the first */
  constructor(id: bigint, keep = Number.POSITIVE_INFINITY) {
    this.id = id;
    this.#keep = keep;
  }

  /** The segment statuses in all responses of a status subscription; empty for any other call. */
  get statuses(): Statuses {
    this.#note();
    return this.#statuses;
  }

  /** The workers in all responses of a worker subscription; empty for any other call. */
  get roster(): Roster {
    this.#note();
    return this.#roster;
  }

  received(response: Response["message"]): void {
    if (this.responses.length < this.#keep) this.responses.push(response);
    this.#notify();
  }

  finished(failure: Failure | undefined): void {
    this.ended = true;
    this.failure = failure;
    this.#notify();
  }

  /** Resolves to true once `condition` holds, to false after `millis` milliseconds. */
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

  #note(): void {
    for (; this.#noted < this.responses.length; this.#noted++) {
      const response = this.responses[this.#noted];
      if (response.case === "subscribeToSegmentStatus") this.#statuses.add(responseJson(response));
      else if (response.case === "subscribeToWorkers") this.#roster.add(response.value);
    }
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}
