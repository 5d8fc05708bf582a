/** Started parts, which are ended in reverse order. Node 22 has no AsyncDisposableStack, which does the same. */
export class Started implements AsyncDisposable {
  #ends: (() => Promise<void> | void)[] = [];

  defer(end: () => Promise<void> | void): void {
    this.#ends.push(end);
  }

  adopt<T>(value: T, end: (value: T) => Promise<void> | void): T {
    this.defer(() => end(value));
    return value;
  }

  /** Hands all parts to a new owner. Disposing this one then ends nothing. */
  move(): Started {
    const moved = new Started();
    moved.#ends = this.#ends;
    this.#ends = [];
    return moved;
  }

  /**
   * Ends all parts, even if some fail.
   *
   * @throws the error of a part that could not be ended; AggregateError if there are several
   */
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
