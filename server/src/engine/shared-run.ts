/**
 * One action for many callers: everyone gets a run that begins after the call, and those who wait for the same run
 * share it. However many callers there are, one run is under way and at most one more is due.
 */
export class SharedRun<Result> {
  readonly #action: (urgent: boolean) => Promise<Result>;
  #running: Promise<Result> | undefined;
  #next: Promise<Result> | undefined;
  #urgent = false;

  /** @param action gets whether any of its callers asked for urgency */
  constructor(action: (urgent: boolean) => Promise<Result>) {
    this.#action = action;
  }

  /** Resolves, or rejects, with the first run that begins after this call. */
  run(urgent = false): Promise<Result> {
    this.#urgent ||= urgent;
    if (this.#running === undefined && this.#next === undefined) return this.#begin();
    const begin = () => this.#begin();
    this.#next ??= this.#running!.then(begin, begin);
    return this.#next;
  }

  #begin(): Promise<Result> {
    const urgent = this.#urgent;
    this.#urgent = false;
    this.#next = undefined;
    const running = this.#action(urgent).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
