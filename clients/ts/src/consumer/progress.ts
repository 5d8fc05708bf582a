/** A piece of a space that is being handled. */
interface Piece {
  readonly lastOffset: number;
  done: boolean;
}

/**
 * How far a consumer has come in one space: everything up to `position` is handled. Pieces are handled in any order, so the
 * position is right before the first one that is not.
 */
export class Progress {
  private pieces: Piece[] = [];
  private head = 0;
  private handled: number;
  /** Up to where everything was received. */
  private received: number;

  /** @param position offset of the last entry that was handled before */
  constructor(position: number) {
    this.handled = position;
    this.received = position;
  }

  /** Offset of the last entry up to which everything is handled. */
  get position(): number {
    return this.handled;
  }

  /** Takes note of entries that arrived, in offset order; returns what to call when they are handled. */
  begin(lastOffset: number): () => void {
    const piece: Piece = { lastOffset, done: false };
    this.pieces.push(piece);
    this.received = Math.max(this.received, lastOffset);
    return () => {
      piece.done = true;
      this.advance();
    };
  }

  /** Nothing below `next` will arrive any more: what is missing was trimmed. */
  reached(next: number): void {
    this.received = Math.max(this.received, next - 1);
    this.advance();
  }

  private advance(): void {
    while (this.head < this.pieces.length && this.pieces[this.head].done) {
      this.handled = Math.max(this.handled, this.pieces[this.head].lastOffset);
      this.head++;
    }
    if (this.head === this.pieces.length) {
      this.pieces = [];
      this.head = 0;
      this.handled = Math.max(this.handled, this.received);
    } else if (this.head > 1_024) {
      this.pieces = this.pieces.slice(this.head);
      this.head = 0;
    }
  }
}
