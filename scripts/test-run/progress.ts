/** Messages from the reporter in vitest to the run. */
export type Progress =
  | { readonly kind: "file-started"; readonly file: string }
  | { readonly kind: "test-ended"; readonly state: "passed" | "failed" | "skipped" }
  /** @property failed its tests could not be run */
  | { readonly kind: "file-ended"; readonly file: string; readonly failed: boolean }
  /** vitest has run everything that it could run. */
  | { readonly kind: "all-ended"; readonly unfinished: readonly string[]; readonly errors: number };

/** The counts of a run so far. */
export class Counts {
  #passed = 0;
  #failed = 0;
  #skipped = 0;
  #errors = 0;
  readonly #running = new Set<string>();
  #complete = false;

  add(progress: Progress): void {
    switch (progress.kind) {
      case "file-started":
        this.#running.add(progress.file);
        break;
      case "test-ended":
        if (progress.state === "passed") this.#passed++;
        else if (progress.state === "failed") this.#failed++;
        else this.#skipped++;
        break;
      case "file-ended":
        this.#running.delete(progress.file);
        // A file that cannot be loaded has no tests, and counts as a failure.
        if (progress.failed) this.#failed++;
        break;
      case "all-ended":
        this.#complete = true;
        this.#errors = progress.errors;
        for (const file of progress.unfinished) this.#running.add(file);
        break;
    }
  }

  /** Files that were started and did not end, by name. Each counts as a failed test. */
  get unfinished(): readonly string[] {
    return [...this.#running].sort();
  }

  /** True if vitest has run all files, or given them up. */
  get complete(): boolean {
    return this.#complete;
  }

  /** True if all tests have passed, and no other error occurred. */
  get good(): boolean {
    return this.#complete && this.#failed + this.#running.size + this.#errors === 0;
  }

  /** The last line of a run. */
  get line(): string {
    return `${this.#passed} passed, ${this.#failed + this.#running.size} failed, ${this.#skipped} skipped`;
  }
}
