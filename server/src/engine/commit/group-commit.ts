import type { ServerError } from "../../errors.ts";
import type { Draft } from "./draft.ts";

/** A change of a space. It is evaluated against the state of the space and committed together with others. */
export interface Mutation<T> {
  /** Segments whose heads `apply` reads. */
  readonly segments: readonly string[];
  /** Approximate bytes that the change adds to the batch. */
  readonly bytes: number;
  /** Operations that the change adds to the batch, without the rows that a group shares. */
  readonly operations: number;
  /** Set for mutations of a Produce session: a refused mutation stops all later mutations of its session. */
  readonly session?: SessionOrder;
  /** Reads state besides heads for `apply`. Called before every evaluation, again after a conflict too. */
  prepare?(before: EarlierAttempts): Promise<void>;
  /** True if `apply` ran without reading everything it could. A refusal must then be re-checked against storage. */
  readonly unread?: boolean;
  /**
   * Changes the draft, or throws a ServerError and leaves the draft unchanged. May be called again after a conflict.
   */
  apply(draft: Draft): T;
}

/** Outcome of the earlier attempts at the same group. */
export interface EarlierAttempts {
  /** True if an attempt may have been written. */
  readonly outcomeUnknown: boolean;
  /** True if only a read can settle an attempt: a row that was to be new exists, or may explain a refusal. */
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

/** Result of one mutation of a group. */
export type Outcome = { readonly value: unknown } | { readonly error: ServerError | Error };

/**
 * Commits a group: evaluates it, writes it, and returns an outcome per mutation. Rejects if the write failed.
 *
 * @param members returns the mutations; from the second call on also those that arrived meanwhile and fit in
 */
export type CommitGroup = (members: () => readonly Mutation<unknown>[]) => Promise<readonly Outcome[]>;

/** Limits of one group. */
export interface GroupLimits {
  readonly bytes: number;
  /** Most operations of a group with so many bytes. */
  readonly operations: (bytes: number) => number;
}

/**
 * Group commit: while one commit is in flight, the next group gathers (design section 6).
 *
 * Every caller waits for the durability of its own group. Mutations commit in order of arrival.
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

  /** Bytes of mutations that wait for their commit or are in it. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get idle(): boolean {
    return !this.#running;
  }

  /** Resolves when the mutation is durable; rejects if it was refused or the commit failed. */
  submit<T>(mutation: Mutation<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ mutation, resolve: resolve as (value: unknown) => void, reject });
      this.#queuedBytes += mutation.bytes;
      if (!this.#running) {
        this.#running = true;
        // One microtask later, so that all mutations submitted in the same turn share the first commit.
        queueMicrotask(() => void this.#run());
      }
    });
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const group: Waiting[] = [];
      // A commit may fail before it asks for members, for example when its space cannot be loaded. At least one caller
      // must hear of the failure, or the loop would not end.
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

  /** Moves waiting mutations that fit into a group; at least one. */
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
