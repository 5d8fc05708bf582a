/**
 * What was started so far, and ends in reverse order. Node 22 has no AsyncDisposableStack, which does the same.
 */
export class Started implements AsyncDisposable {
  #ends: (() => Promise<void> | void)[] = [];

  defer(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  adopt<T>(value: T, end: (value: T) => Promise<void> | void): T {
    this.defer(() => end(value));
    return value;
  }

  /** Hands everything to another owner; disposing of this one ends nothing then. */
  move(): Started {
    const moved = new Started();
    moved.#ends = this.#ends;
    this.#ends = [];
    return moved;
  }

  /** @throws AggregateError when some could not be ended; the others are */
  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (const end of this.#ends.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, "several parts could not be ended");
  }
}
