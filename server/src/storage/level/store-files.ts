/** Whether the files that an open store writes to are still the ones that its path leads to. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { type ServerError, storageUnavailable } from "../../errors.ts";
import { markerName } from "./marker.ts";

/**
 * LevelDB keeps writing into files that were removed under it, and would acknowledge what nobody finds again. The
 * marker of the store stands for all of them: a look at it costs 2 us, against a sync of the disk for each commit.
 */
export class StoreFiles {
  readonly #marker: string;
  readonly #identity: string;
  #failure: ServerError | undefined;

  constructor(directory: string) {
    this.#marker = join(directory, markerName);
    this.#identity = this.#look();
  }

  /** True once a look has found the files gone. */
  get gone(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws STORAGE_UNAVAILABLE when the files are gone, from then on. */
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
        cause ?? new Error(`${this.#marker} is another file than before`),
      );
    }
    this.assertPresent();
  }

  /** As `check`, without looking again. */
  assertPresent(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #look(): string {
    const { dev, ino } = statSync(this.#marker);
    return `${dev} ${ino}`;
  }
}
