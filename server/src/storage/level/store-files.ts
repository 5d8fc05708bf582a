/** Checks that the files of an open store are still the files at its path. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { type ServerError, storageUnavailable } from "../../errors.ts";
import { MARKER_NAME } from "./marker.ts";

/**
 * LevelDB keeps writing into files that were removed meanwhile, and would acknowledge commits that no later reader
 * finds. The marker of the store stands for all files: a look at the marker costs 2 us, while each commit costs a sync
 * of the disk.
 */
export class StoreFiles {
  readonly #marker: string;
  readonly #identity: string;
  #failure: ServerError | undefined;

  constructor(directory: string) {
    this.#marker = join(directory, MARKER_NAME);
    this.#identity = this.#look();
  }

  /** True once a look has found the files gone. */
  get gone(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws STORAGE_UNAVAILABLE if the files are gone, and in every later call */
  check(): void {
    let found: string | undefined;
    let cause: unknown;
    try {
      found = this.#look();
    } catch (error) {
      cause = error;
    }
    if (found !== this.#identity) {
      this.#failure ??= storageUnavailable(
        "the files of the store were removed or replaced while the server used them",
        cause ?? new Error(`${this.#marker} is not the same file as before`),
      );
    }
    this.assertPresent();
  }

  /** Like `check`, without another look at the files. */
  assertPresent(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #look(): string {
    const { dev, ino } = statSync(this.#marker);
    return `${dev} ${ino}`;
  }
}
