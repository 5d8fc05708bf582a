import type { Cursor, Cursors } from "../cursor/cursors.ts";
import { StreamkitError } from "../errors/error.ts";
import type { SpaceOffsets } from "../position.ts";
import { timerMillis } from "../silence.ts";
import type { ConsumerOptions } from "./options.ts";
import { Progress } from "./progress.ts";

/** The parts and options of a keeper. */
export interface CursorKeeperContext {
  readonly cursors: Cursors;
  readonly options: Pick<ConsumerOptions<never, never>, "name" | "spaces" | "from" | "commitInterval" | "commitCount">;
  /** Asks for the offset of the last entry of a space. */
  readonly headOf: (space: string, signal: AbortSignal) => Promise<number>;
  /** Called after each commit, with the committed offsets. */
  readonly onCommit: (offsets: SpaceOffsets) => void;
  /** Ends commits. */
  readonly signal: AbortSignal;
}

/** Attempts to take a cursor over while its owner commits it. After them the conflict is an error. */
const TAKEOVERS = 10;

/**
 * Keeps the cursor of a consumer: takes it over, follows the progress of handlers, and commits it.
 *
 * A takeover commits the cursor unchanged. That raises its version, so all later commits of the earlier owner fail with
 * CURSOR_CONFLICT.
 */
export class CursorKeeper {
  readonly #context: CursorKeeperContext;
  readonly #progress = new Map<string, Progress>();
  #version = 0;
  readonly #committed = new Map<string, number>();
  /** Number of handled offsets that no commit covers, neither a finished one nor the one under way. */
  #uncommitted = 0;
  #wake = () => {};

  constructor(context: CursorKeeperContext) {
    this.#context = context;
  }

  /**
   * Space -> offset of the last entry up to which all entries are handled. `undefined` before the takeover of the
   * cursor.
   */
  get offsets(): SpaceOffsets | undefined {
    if (this.#progress.size === 0) return undefined;
    return new Map([...this.#progress].map(([space, { position }]) => [space, position]));
  }

  /** Takes the cursor over. Tries again if the present owner commits it between the read and the takeover. */
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

  /** Notes an entry that arrived. Returns the function to call when the entry is handled. */
  begin(space: string, offset: number): () => void {
    // The read follows only spaces of this map.
    const progress = this.#progress.get(space) as Progress;
    const end = progress.begin(offset);
    return () => {
      const before = progress.position;
      end();
      this.#uncommitted += progress.position - before;
    };
  }

  /** Notes that no entry before these offsets will arrive any more. */
  reached(next: SpaceOffsets): void {
    for (const [space, offset] of next) this.#progress.get(space)?.reached(offset);
  }

  /** Notes that entries were handled. Wakes the committing loop if there are enough of them. */
  handled(): void {
    if (this.#hasEnough) this.#wake();
  }

  /** Commits at each interval, and each time enough entries were handled, until the signal fires. */
  async keepCommitting(ending: AbortSignal): Promise<void> {
    ending.addEventListener("abort", () => this.#wake());
    while (!ending.aborted) {
      await this.#isDue();
      if (!ending.aborted) await this.commit();
    }
  }

  /** Commits the progress since the last commit, if there is any. */
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
    // During a commit, `handled` finds no loop to wake, so look here once more.
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
