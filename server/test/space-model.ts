import { ErrorReason } from "@streamkit/protocol";

/** One entry, as every reader must see it. */
export interface ModelEntry {
  readonly segment: string;
  readonly sequence: number;
  readonly offset: number;
  readonly payload: string;
  readonly transaction: string;
  readonly number: number;
  readonly time: number;
}

export interface ModelAppend {
  readonly id: string;
  readonly parts: readonly {
    readonly segment: string;
    readonly payloads: readonly string[];
    readonly expected?: number;
    readonly token?: number;
  }[];
}

export interface ModelRange {
  readonly segment: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstOffset: number;
}

export type AppendVerdict =
  | { readonly kind: "applied"; readonly number: number; readonly ranges: readonly ModelRange[] }
  /**
   * The first result again. The server may also have forgotten it (SEQUENCE_MISMATCH) if its entries are no longer
   * retained.
   */
  | {
      readonly kind: "repeated";
      readonly number: number;
      readonly ranges: readonly ModelRange[];
      readonly retained: boolean;
    }
  | { readonly kind: "refused"; readonly reason: ErrorReason; readonly segment: string; readonly actual?: number };

interface Segment {
  last: number;
  lastOffset: number;
  token: number;
  listed: boolean;
}

/**
 * The content of docs/spec.md about one space, as simply as possible: a list of entries and a few numbers. It follows
 * the specification and the protos, not the engine.
 */
export class SpaceModel {
  entries: ModelEntry[] = [];
  readonly segments = new Map<string, Segment>();
  lastOffset = 0;
  lastNumber = 0;
  lastTime = 0;
  readonly #committed = new Map<string, { number: number; ranges: ModelRange[] }>();

  segment(name: string): Segment {
    return this.segments.get(name) ?? { last: 0, lastOffset: 0, token: 0, listed: false };
  }

  entriesOf(segment: string): ModelEntry[] {
    return this.entries.filter((entry) => entry.segment === segment);
  }

  /** First retained sequence, as SegmentStatus defines it. */
  firstOf(segment: string): number {
    const { last } = this.segment(segment);
    return this.entriesOf(segment)[0]?.sequence ?? (last === 0 ? 0 : last + 1);
  }

  append({ id, parts }: ModelAppend): AppendVerdict {
    const before = this.#committed.get(id);
    if (before !== undefined) {
      const records = before.ranges.reduce(
        (sum, r) => sum + (r.firstOffset === 0 ? 0 : r.lastSequence - r.firstSequence + 1),
        0,
      );
      const retained = this.entries.filter((entry) => entry.number === before.number).length === records;
      return { kind: "repeated", ...before, retained };
    }
    for (const { segment, token, expected } of parts) {
      const state = this.segment(segment);
      if (token !== undefined && token < state.token) return { kind: "refused", reason: ErrorReason.FENCED, segment };
      if (expected !== undefined && expected !== state.last) {
        return { kind: "refused", reason: ErrorReason.SEQUENCE_MISMATCH, segment, actual: state.last };
      }
    }
    const number = ++this.lastNumber;
    const ranges: ModelRange[] = [];
    for (const { segment, token, payloads } of parts) {
      const state = { ...this.segment(segment) };
      state.token = Math.max(state.token, token ?? 0);
      const firstSequence = state.last + 1;
      const firstOffset = payloads.length === 0 ? 0 : this.lastOffset + 1;
      for (const payload of payloads) {
        const entry = {
          segment,
          sequence: ++state.last,
          offset: ++this.lastOffset,
          payload,
          transaction: id,
          number,
          time: 0,
        };
        this.entries.push(entry);
      }
      if (payloads.length > 0) {
        state.listed = true;
        state.lastOffset = this.lastOffset;
      }
      this.segments.set(segment, state);
      ranges.push({ segment, firstSequence, lastSequence: state.last, firstOffset });
    }
    this.#committed.set(id, { number, ranges });
    return { kind: "applied", number, ranges };
  }

  /** The server chooses the time. The model only requires it to rise. */
  committedAt(number: number, time: number): void {
    this.lastTime = time;
    this.entries = this.entries.map((entry) => (entry.number === number ? { ...entry, time } : entry));
  }

  trim(segment: string, before: number): boolean {
    if (before > this.segment(segment).last + 1) return false;
    this.entries = this.entries.filter((entry) => entry.segment !== segment || entry.sequence >= before);
    return true;
  }

  deleteSegment(segment: string): void {
    this.entries = this.entries.filter((entry) => entry.segment !== segment);
    const state = this.segments.get(segment);
    if (state !== undefined) state.listed = false;
  }

  deleteSpace(): void {
    this.entries = [];
    for (const state of this.segments.values()) state.listed = false;
  }

  listed(prefix = ""): string[] {
    const names = [...this.segments]
      .filter(([name, state]) => state.listed && name.startsWith(prefix))
      .map(([name]) => name);
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }
}
