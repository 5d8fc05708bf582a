/** A turn. It ends when it is disposed. */
export interface Turn<Baton> extends Disposable {
  /** True if the caller had to wait for an earlier turn. */
  readonly waited: boolean;
  /** The value that the previous turn passed on; undefined if there was none, or it passed nothing. */
  readonly baton: Baton | undefined;
  /** Passes a value on to the next turn, if one is waiting. */
  pass(baton: Baton): void;
}

/** Gives out turns: one at a time for each key, in the order of arrival. */
export class Turns<Baton> {
  /** Key -> end of the last requested turn. */
  readonly #ends = new Map<string, Promise<Baton | undefined>>();

  /** Resolves once all earlier turns of the key have ended. */
  async take(key: string): Promise<Turn<Baton>> {
    const before = this.#ends.get(key);
    const { promise, resolve } = Promise.withResolvers<Baton | undefined>();
    this.#ends.set(key, promise);
    let passed: Baton | undefined;
    return {
      waited: before !== undefined,
      baton: await before,
      pass: (baton) => {
        passed = baton;
      },
      [Symbol.dispose]: () => {
        if (this.#ends.get(key) === promise) this.#ends.delete(key);
        resolve(passed);
      },
    };
  }
}
