/** A piece of a space that is being handled. */
interface Piece {
  /** Offset up to which everything had arrived when the piece arrived. */
  readonly before: number;
}

/**
 * How far a consumer has come in one space: everything up to `position` is handled. Handlers finish pieces in any
 * order, so the position is right before the first unfinished piece. Memory holds unfinished pieces only.
 */
export class Progress {
  /** Unfinished pieces, in offset order. */
  readonly #open = new Set<Piece>();
  /** Offset up to which everything has arrived. */
  #received: number;

  /** @param position offset of the last entry that was handled earlier */
  constructor(position: number) {
    this.#received = position;
  }

  /** Offset of the last entry up to which everything is handled. */
  get position(): number {
    for (const { before } of this.#open) return before;
    return this.#received;
  }

  /** Number of unfinished pieces. */
  get size(): number {
    return this.#open.size;
  }

  /** Notes a piece that ends at `lastOffset`. Pieces arrive in offset order. Returns the function that finishes it. */
  begin(lastOffset: number): () => void {
    const piece = { before: this.#received };
    this.#open.add(piece);
    this.#received = Math.max(this.#received, lastOffset);
    return () => void this.#open.delete(piece);
  }

  /** Notes that no entry below `next` will arrive any more. Entries that did not arrive were trimmed. */
  reached(next: number): void {
    this.#received = Math.max(this.#received, next - 1);
  }
}
