const WIDTH = 32;

/** Shows the progress of some work: as a bar that redraws itself on a terminal, and as one plain line elsewhere. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #out: NodeJS.WriteStream;
  #drawnPercent = -1;

  constructor(label: string, total: number, out: NodeJS.WriteStream = process.stdout) {
    this.#label = label;
    this.#total = total;
    this.#out = out;
  }

  /** Draws again if the percentage has changed. */
  update(done: number): void {
    if (!this.#out.isTTY) return;
    const percent = Math.floor((done / this.#total) * 100);
    if (percent === this.#drawnPercent) return;
    this.#drawnPercent = percent;
    const filled = Math.round((percent / 100) * WIDTH);
    const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
    this.#out.write(`\r  ${this.#label.padEnd(24)} ${bar} ${String(percent).padStart(3)} %`);
  }

  /** Replaces the bar with the outcome. */
  finish(outcome: string): void {
    if (this.#out.isTTY) this.#out.write("\r\x1b[2K");
    this.#out.write(`  ${this.#label.padEnd(24)} ${outcome}\n`);
  }
}
