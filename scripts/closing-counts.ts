import type { Reporter, TestCase, TestModule } from "vitest/node";
import { RUN_VARIABLE } from "./test-run/processes.ts";
import { Counts, type Progress } from "./test-run/progress.ts";

/**
 * Ends a test run with one plain line of counts, for readers without knowledge of vitest. Under `npm test`, which
 * prints that line itself, it sends the counts to it.
 */
export default class ClosingCounts implements Reporter {
  readonly #counts = new Counts();
  readonly #isTold = process.send !== undefined && process.env[RUN_VARIABLE] !== undefined;

  onTestModuleStart({ moduleId }: TestModule): void {
    this.#note({ kind: "file-started", file: moduleId });
  }

  onTestCaseResult(test: TestCase): void {
    const { state } = test.result();
    if (state !== "pending") this.#note({ kind: "test-ended", state });
  }

  onTestModuleEnd(module: TestModule): void {
    this.#note({ kind: "file-ended", file: module.moduleId, failed: module.errors().length > 0 });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    // The workers of these files have died.
    const unfinished = modules.filter((module) => ["queued", "pending"].includes(module.state()));
    const files = unfinished.map(({ moduleId }) => moduleId);
    this.#note({ kind: "all-ended", unfinished: files, errors: errors.length });
    if (!this.#isTold) process.stdout.write(`\n${this.#counts.line}\n`);
  }

  #note(progress: Progress): void {
    this.#counts.add(progress);
    if (this.#isTold) process.send?.(progress);
  }
}
