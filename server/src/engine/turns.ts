/** A turn, until it is disposed of. */
export interface Turn extends Disposable {
  /** Somebody else had the turn first. */
  readonly waited: boolean;
}

/** One at a time for each key, in the order of arrival. */
export class Turns {
  /** Key -> the end of the last turn that was asked for. */
  readonly #ends = new Map<string, Promise<void>>();

  /** Resolves when all earlier turns of the key have ended. */
  async take(key: string): Promise<Turn> {
    const before = this.#ends.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ends.set(key, promise);
    await before;
    return {
      waited: before !== undefined,
      [Symbol.dispose]: () => {
        if (this.#ends.get(key) === promise) this.#ends.delete(key);
        resolve();
      },
    };
  }
}
