/** A turn, until it is disposed of. */
export interface Turn<Baton> extends Disposable {
  /** Somebody else had the turn first. */
  readonly waited: boolean;
  /** What the one before left for this one; undefined when that is nothing, or nobody was before. */
  readonly baton: Baton | undefined;
  /** Leaves something for the next one, if somebody waits. */
  pass(baton: Baton): void;
}

/** One at a time for each key, in the order of arrival. */
export class Turns<Baton> {
  /** Key -> the end of the last turn that was asked for. */
  readonly #ends = new Map<string, Promise<Baton | undefined>>();

  /** Resolves when all earlier turns of the key have ended. */
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
