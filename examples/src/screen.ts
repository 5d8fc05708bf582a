/** The output of a screen: process.stdout, or a part of its interface. */
export type Output = Pick<NodeJS.WriteStream, "isTTY" | "columns" | "rows" | "write">;

/** Shows changing content: redraws a picture on a terminal, and prints a line per change elsewhere. */
export class Screen {
  readonly #out: Output;
  #drawn = 0;

  constructor(out: Output = process.stdout) {
    this.#out = out;
  }

  /**
   * Shows a change.
   *
   * @param picture the whole content, line by line
   * @param change the news, as one line
   */
  show(picture: readonly string[], change: string): void {
    const { isTTY, columns, rows } = this.#out;
    if (!isTTY) {
      this.#out.write(`${change}\n`);
      return;
    }
    // Lines that do not fit would scroll away, and the screen could not redraw them.
    const lines = picture.slice(0, rows - 1).map((line) => `${line.slice(0, columns)}\n`);
    const up = this.#drawn === 0 ? "" : `\x1b[${this.#drawn}A`;
    this.#out.write(`${up}\x1b[J${lines.join("")}`);
    this.#drawn = lines.length;
  }
}
