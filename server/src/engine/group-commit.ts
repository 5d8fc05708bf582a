import type { StreamkitError } from "../errors.ts";
import type { Draft } from "./draft.ts";

/** A change of a space, to be evaluated against its state and committed together with others. */
export interface Mutation<T> {
  /** Segments whose heads `apply` looks at. */
  readonly segments: readonly string[];
  /** Roughly what the change adds to the batch. */
  readonly bytes: number;
  readonly operations: number;
  /** Set for mutations of a Produce session: after a refused one, none of the same session is applied. */
  readonly session?: ProduceSession;
  /**
   * Reads what `apply` needs beyond the heads. Called before every evaluation, also again after a conflict.
   *
   * @param outcomeUnknown an earlier attempt at this very mutation may have been written
   */
  prepare?(outcomeUnknown: boolean): Promise<void>;
  /**
   * Changes the draft, or throws a StreamkitError and leaves it as it was. May be called again after a conflict.
   */
  apply(draft: Draft): T;
}

/** The order between the requests of one Produce session. */
export interface ProduceSession {
  failed: boolean;
}

interface Waiting {
  readonly mutation: Mutation<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What became of one mutation of a group. */
export type Outcome = { readonly value: unknown } | { readonly error: StreamkitError | Error };

/** Commits a group: evaluates, writes, and says for each mutation what became of it. Rejects when the write failed. */
export type CommitGroup = (mutations: readonly Mutation<unknown>[]) => Promise<readonly Outcome[]>;

/** How much one group may hold. */
export interface GroupLimits {
  readonly bytes: number;
  readonly operations: number;
}

/**
 * Group commit: while one commit is in flight the next group gathers (design section 6).
 *
 * Everyone waits for the durability of their own group. Order of arrival is order of commit.
 */
export class GroupCommit {
  readonly #limits: () => GroupLimits;
  readonly #commit: CommitGroup;
  readonly #queue: Waiting[] = [];
  #running = false;
  #queuedBytes = 0;

  constructor(limits: () => GroupLimits, commit: CommitGroup) {
    this.#limits = limits;
    this.#commit = commit;
  }

  /** Bytes that wait for their commit, or are in it. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get idle(): boolean {
    return !this.#running;
  }

  /** Resolves when the mutation is durable; rejects when it was refused or the commit failed. */
  submit<T>(mutation: Mutation<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ mutation, resolve: resolve as (value: unknown) => void, reject });
      this.#queuedBytes += mutation.bytes;
      if (!this.#running) {
        this.#running = true;
        // A microtask later, so that everything submitted in the same turn shares the first commit.
        queueMicrotask(() => void this.#run());
      }
    });
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        const outcomes = await this.#commit(group.map((waiting) => waiting.mutation));
        this.#settle(group, outcomes);
      } catch (error) {
        for (const { mutation, reject } of group) {
          if (mutation.session) mutation.session.failed = true;
          this.#queuedBytes -= mutation.bytes;
          reject(error);
        }
      }
    }
    this.#running = false;
  }

  #settle(group: readonly Waiting[], outcomes: readonly Outcome[]): void {
    group.forEach(({ mutation, resolve, reject }, index) => {
      this.#queuedBytes -= mutation.bytes;
      const outcome = outcomes[index];
      if ("value" in outcome) {
        resolve(outcome.value);
      } else {
        if (mutation.session) mutation.session.failed = true;
        reject(outcome.error);
      }
    });
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let operations = 0;
    let count = 0;
    const limits = this.#limits();
    for (const { mutation } of this.#queue) {
      bytes += mutation.bytes;
      operations += mutation.operations;
      if (count > 0 && (bytes > limits.bytes || operations > limits.operations)) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }
}
