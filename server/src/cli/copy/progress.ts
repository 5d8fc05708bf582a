/** Time between two lines of progress, in milliseconds. */
const INTERVAL_MILLIS = 250;

/** The work done so far. */
interface Work {
  readonly space: string;
  readonly entries: number;
  readonly bytes: number;
}

/** One line on stderr that shows the work done so far. Only on a terminal. */
export class ProgressLine {
  readonly #verb: string;
  readonly #start = performance.now();
  readonly #shown = process.stderr.isTTY === true;
  #next = 0;

  /** @param verb begins the line: "exported" */
  constructor(verb: string) {
    this.#verb = verb;
  }

  show({ space, entries, bytes }: Work): void {
    const now = performance.now();
    if (!this.#shown || now < this.#next) return;
    this.#next = now + INTERVAL_MILLIS;
    const rate = bytes / 1e6 / Math.max(0.001, (now - this.#start) / 1_000);
    const work = `${entries.toLocaleString("en")} entries, ${(bytes / 1e6).toFixed(1)} MB, ${rate.toFixed(1)} MB/s`;
    const line = `${this.#verb} ${work}${space === "" ? "" : `, space ${JSON.stringify(space)}`}`;
    process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  /** Removes the line. */
  end(): void {
    if (this.#shown) process.stderr.write("\r\u001b[K");
  }
}
