/**
 * Shares one action between many callers. Every caller gets a run that begins after its call; callers that wait for the
 * same run share it. At most one run is in progress and one more is due, for any number of callers.
 */
export class SharedRun<Result> {
  readonly #action: (urgent: boolean) => Promise<Result>;
  #running: Promise<Result> | undefined;
  #next: Promise<Result> | undefined;
  #urgent = false;

  /** @param action the shared action; `urgent` is true if any of its callers asked for urgency */
  constructor(action: (urgent: boolean) => Promise<Result>) {
    this.#action = action;
  }

  /** Settles like the first run that begins after this call. */
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
