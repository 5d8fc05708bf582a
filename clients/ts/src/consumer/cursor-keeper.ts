import type { Cursor, Cursors } from "../cursor/cursors.ts";
import { StreamkitError } from "../errors/error.ts";
import type { SpaceOffsets } from "../position.ts";
import { timerMillis } from "../silence.ts";
import type { ConsumerOptions } from "./options.ts";
import { Progress } from "./progress.ts";

/** What a keeper works with. */
export interface CursorKeeperContext {
  readonly cursors: Cursors;
  readonly options: Pick<ConsumerOptions<never, never>, "name" | "spaces" | "from" | "commitInterval" | "commitCount">;
  /** Offset of the last entry of a space, now. */
  readonly headOf: (space: string, signal: AbortSignal) => Promise<number>;
  /** Told after each commit of what was handled. */
  readonly onCommit: (offsets: SpaceOffsets) => void;
  /** Ends commits. */
  readonly signal: AbortSignal;
}

/** Attempts to take a cursor over from somebody who commits it at the same time, before that counts as a conflict. */
const TAKEOVERS = 10;

/**
 * Keeps the cursor of a consumer: takes it over, knows up to where everything is handled, and commits that.
 *
 * Taking over commits the cursor as it is: its version rises, so its earlier holder cannot commit any more
 * (CURSOR_CONFLICT), however late it wakes up.
 */
export class CursorKeeper {
  readonly #context: CursorKeeperContext;
  readonly #progress = new Map<string, Progress>();
  #version = 0;
  readonly #committed = new Map<string, number>();
  /** By how many offsets the positions are beyond what is committed, or is being committed. */
  #uncommitted = 0;
  #wake = () => {};

  constructor(context: CursorKeeperContext) {
    this.#context = context;
  }

  /**
   * Space -> offset of the last entry up to which everything was handled. `undefined` before the cursor is taken over.
   */
  get offsets(): SpaceOffsets | undefined {
    if (this.#progress.size === 0) return undefined;
    return new Map([...this.#progress].map(([space, { position }]) => [space, position]));
  }

  /** Whoever has the cursor now may commit it between the look at it and the takeover: then once more. */
  async takeOver(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#takeOverOnce(signal);
      } catch (error) {
        const isOvertaken = error instanceof StreamkitError && error.reason === "CURSOR_CONFLICT";
        if (!isOvertaken || attempt === TAKEOVERS) throw error;
      }
    }
  }

  /** Takes note of an entry that arrived; returns what to call when it is handled. */
  begin(space: string, offset: number): () => void {
    // Nothing else is followed.
    const progress = this.#progress.get(space) as Progress;
    const end = progress.begin(offset);
    return () => {
      const before = progress.position;
      end();
      this.#uncommitted += progress.position - before;
    };
  }

  /** Nothing before these offsets will arrive any more. */
  reached(next: SpaceOffsets): void {
    for (const [space, offset] of next) this.#progress.get(space)?.reached(offset);
  }

  /** Entries were handled: it may be time to commit. */
  handled(): void {
    if (this.#hasEnough) this.#wake();
  }

  /** Commits again and again, until the signal fires. */
  async keepCommitting(ending: AbortSignal): Promise<void> {
    ending.addEventListener("abort", () => this.#wake());
    while (!ending.aborted) {
      await this.#isDue();
      if (!ending.aborted) await this.commit();
    }
  }

  /** Commits what was handled since the last commit. */
  async commit(): Promise<void> {
    const { cursors, options, onCommit, signal } = this.#context;
    const offsets = [...(this.offsets ?? [])];
    const changed = new Map(offsets.filter(([space, offset]) => this.#committed.get(space) !== offset));
    const counted = this.#uncommitted;
    if (changed.size > 0) {
      const expectedVersion = this.#version;
      this.#note(await cursors.commit(options.name, changed, { expectedVersion, signal }), changed);
    }
    this.#uncommitted -= counted;
    if (changed.size > 0) onCommit(new Map(this.#committed));
  }

  get #hasEnough(): boolean {
    return this.#uncommitted >= (this.#context.options.commitCount ?? 1_000);
  }

  async #isDue(): Promise<void> {
    // Nobody is woken while a commit is under way.
    if (this.#hasEnough) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, timerMillis(this.#context.options.commitInterval ?? 1_000));
    });
    clearTimeout(timer);
  }

  async #takeOverOnce(signal: AbortSignal): Promise<void> {
    const { cursors, options } = this.#context;
    const found = await cursors.get(options.name, { signal });
    const offsets = new Map<string, number>();
    for (const space of options.spaces)
      offsets.set(space, found?.offsets.get(space) ?? (await this.#beginning(space, signal)));
    const taken = await cursors.commit(options.name, offsets, { expectedVersion: found?.version ?? 0, signal });
    this.#note(taken, offsets);
    for (const [space, offset] of offsets) this.#progress.set(space, new Progress(offset));
  }

  async #beginning(space: string, signal: AbortSignal): Promise<number> {
    return this.#context.options.from === "head" ? this.#context.headOf(space, signal) : 0;
  }

  #note({ version }: Cursor, offsets: SpaceOffsets): void {
    this.#version = version;
    for (const [space, offset] of offsets) this.#committed.set(space, offset);
  }
}
