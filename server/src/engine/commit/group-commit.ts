import type { ServerError } from "../../errors.ts";
import type { Draft } from "./draft.ts";

/** A change of a space, to be evaluated against its state and committed together with others. */
export interface Mutation<T> {
  /** Segments whose heads `apply` looks at. */
  readonly segments: readonly string[];
  /** Roughly what the change adds to the batch; operations without the rows that a group shares. */
  readonly bytes: number;
  readonly operations: number;
  /** Set for mutations of a Produce session: after a refused one, none of the same session is applied. */
  readonly session?: SessionOrder;
  /** Reads what `apply` needs beyond the heads. Called before every evaluation, also again after a conflict. */
  prepare?(before: EarlierAttempts): Promise<void>;
  /** Set when `apply` went by less than it could have read: then a refusal is in doubt. */
  readonly unread?: boolean;
  /**
   * Changes the draft, or throws a ServerError and leaves it as it was. May be called again after a conflict.
   */
  apply(draft: Draft): T;
}

/** What became of earlier attempts at the same group. */
export interface EarlierAttempts {
  /** One may have been written. */
  readonly outcomeUnknown: boolean;
  /** One left a doubt that only reading can clear: a row that was to be new is there, or may explain a refusal. */
  readonly inDoubt: boolean;
}

/** The order between the requests of one Produce session. */
export interface SessionOrder {
  failed: boolean;
}

interface Waiting {
  readonly mutation: Mutation<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What became of one mutation of a group. */
export type Outcome = { readonly value: unknown } | { readonly error: ServerError | Error };

/**
 * Commits a group: evaluates, writes, and says for each mutation what became of it. Rejects when the write failed.
 *
 * @param members the mutations, and, from the next call on, those that have come meanwhile and fit in
 */
export type CommitGroup = (members: () => readonly Mutation<unknown>[]) => Promise<readonly Outcome[]>;

/** How much one group may hold. */
export interface GroupLimits {
  readonly bytes: number;
  /** Operations of all mutations of a group with so many bytes. */
  readonly operations: (bytes: number) => number;
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
      const group: Waiting[] = [];
      // A commit may fail before it asks for anyone, as one of a space that cannot be loaded: somebody has to hear of
      // it.
      this.#fill(group);
      const members = () => {
        this.#fill(group);
        return group.map((waiting) => waiting.mutation);
      };
      try {
        this.#settle(group, await this.#commit(members));
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

  /** Adds to a group what waits and fits in; at least one. */
  #fill(group: Waiting[]): void {
    let bytes = 0;
    let operations = 0;
    for (const { mutation } of group) {
      bytes += mutation.bytes;
      operations += mutation.operations;
    }
    const limits = this.#limits();
    let count = 0;
    for (const { mutation } of this.#queue) {
      bytes += mutation.bytes;
      operations += mutation.operations;
      const fits = bytes <= limits.bytes && operations <= limits.operations(bytes);
      if (!fits && group.length + count > 0) break;
      count++;
    }
    group.push(...this.#queue.splice(0, count));
  }
}
