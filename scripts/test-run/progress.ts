/** What the reporter in vitest tells the run, message by message. */
export type Progress =
  | { readonly kind: "file-started"; readonly file: string }
  | { readonly kind: "test-ended"; readonly state: "passed" | "failed" | "skipped" }
  /** @property failed its tests could not be run */
  | { readonly kind: "file-ended"; readonly file: string; readonly failed: boolean }
  /** Everything has run that vitest could run. */
  | { readonly kind: "all-ended"; readonly unfinished: readonly string[]; readonly errors: number };

/** The counts of a run, as far as it has come. */
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
        // A file that cannot be loaded has no tests, and has failed all the same.
        if (progress.failed) this.#failed++;
        break;
      case "all-ended":
        this.#complete = true;
        this.#errors = progress.errors;
        for (const file of progress.unfinished) this.#running.add(file);
        break;
    }
  }

  /** Files that were begun and did not end, by name. Each counts as a failed test. */
  get unfinished(): readonly string[] {
    return [...this.#running].sort();
  }

  /** Whether all files were run, or given up by vitest. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Whether all that was run has passed, and nothing went wrong beside it. */
  get good(): boolean {
    return this.#complete && this.#failed + this.#running.size + this.#errors === 0;
  }

  /** The line with which a run ends. */
  get line(): string {
    return `${this.#passed} passed, ${this.#failed + this.#running.size} failed, ${this.#skipped} skipped`;
  }
}
