/** A piece of a space that is being handled. */
interface Piece {
  /** Up to where everything had been received when it arrived. */
  readonly before: number;
}

/**
 * How far a consumer has come in one space: everything up to `position` is handled. Pieces are handled in any order, so
 * the position is right before the first one that is not. Keeps what is being handled, and nothing of what is done.
 */
export class Progress {
  /** In offset order. */
  private readonly open = new Set<Piece>();
  /** Up to where everything was received. */
  private received: number;

  /** @param position offset of the last entry that was handled before */
  constructor(position: number) {
    this.received = position;
  }

  /** Offset of the last entry up to which everything is handled. */
  get position(): number {
    for (const { before } of this.open) return before;
    return this.received;
  }

  /** Takes note of entries that arrived, in offset order; returns what to call when they are handled. */
  begin(lastOffset: number): () => void {
    const piece = { before: this.received };
    this.open.add(piece);
    this.received = Math.max(this.received, lastOffset);
    return () => void this.open.delete(piece);
  }

  /** Nothing below `next` will arrive any more: what is missing was trimmed. */
  reached(next: number): void {
    this.received = Math.max(this.received, next - 1);
  }
}
