/**
 * From a commit of the port to operations of a transaction.
 *
 * The version of a row is the ETag that its last write gave it, so a condition on a row that is written is an If-Match
 * or an insert. A condition on a row that is not written needs an operation too, and Azure has none that only looks:
 *
 * - "has this version": a merge that changes the ETag, and keeps the version in property `v`;
 * - "is absent": the insert of a mark of absence (entity.ts), which nobody sees and which is removed afterwards.
 *
 * So an entity may have another ETag than its version says, or be there for an absent row. The plan assumes that it is
 * not so; when the transaction then fails, it is made once more with the states of the rows as they are (`RowState`).
 */
import type { CommitBatch } from "../port.ts";
import { absenceMark, propertiesOf } from "./entity.ts";
import { maxTransactionOperations } from "./limits.ts";
import { restRowKey, rowKeyOf } from "./row-key.ts";
import type { Operation } from "./transaction.ts";

/** What a row was found to be. */
export type RowState =
  | { readonly kind: "missing" }
  /** There is no row, but a mark of absence. */
  | { readonly kind: "absence"; readonly etag: string }
  | { readonly kind: "row"; readonly etag: string; readonly version: string };

/** What the plan knows of rows, by row key. */
export interface Knowledge {
  /** States as read after a failure; other rows are taken for what the conditions say. */
  readonly states: ReadonlyMap<string, RowState>;
  /** Generation of the rest of a row, where one was seen; it goes with the row. */
  restOf(rowKey: string): string | undefined;
  /** A generation that was never used. */
  newGeneration(): string;
}

export interface CommitPlan {
  readonly operations: readonly Operation[];
  /** For each put, its operation. */
  readonly puts: readonly number[];
  /** For each row with a condition or a delete, its operation: what may fail. */
  readonly fallible: ReadonlyMap<string, number>;
  /** Operations whose failure means that a condition does not hold, and nothing else. */
  readonly decisive: ReadonlySet<number>;
  /** Rests that the puts get, by row key. */
  readonly newRests: ReadonlyMap<string, string>;
  /** Marks of absence that the transaction makes, as operations: to be removed afterwards. */
  readonly marks: readonly number[];
  /** Row keys of rests that nobody needs any more, and that the transaction had no room to delete. */
  readonly leftRests: readonly string[];
}

/** ETags of Azure; nothing else was ever a version. */
const etagPattern = /^W\/".*"$/;

/** The plan for a commit; `undefined` when a condition cannot hold. */
export function planCommit(batch: CommitBatch, knowledge: Knowledge): CommitPlan | undefined {
  const conditions = new Map<string, string | null>();
  const alwaysWritten = new Set<string>();
  for (const { key, version, alwaysWritten: always } of batch.conditions) {
    if (version !== null && (typeof version !== "string" || !etagPattern.test(version))) return undefined;
    const rowKey = rowKeyOf(key);
    if (conditions.has(rowKey) && conditions.get(rowKey) !== version) return undefined;
    conditions.set(rowKey, version);
    if (always) alwaysWritten.add(rowKey);
  }
  for (const [rowKey, version] of conditions) {
    const state = knowledge.states.get(rowKey);
    if (state !== undefined && !holds(state, version)) return undefined;
  }
  const builder = new PlanBuilder(conditions, knowledge, alwaysWritten);
  for (const { key, value } of batch.puts) builder.put(rowKeyOf(key), value);
  for (const key of batch.deletes) builder.delete(rowKeyOf(key));
  return builder.finish();
}

/** Whether a row is as a condition says. */
export function holds(state: RowState, version: string | null): boolean {
  return version === null ? state.kind !== "row" : state.kind === "row" && state.version === version;
}

class PlanBuilder {
  readonly #operations: Operation[] = [];
  readonly #puts: number[] = [];
  readonly #fallible = new Map<string, number>();
  readonly #newRests = new Map<string, string>();
  readonly #marks: number[] = [];
  readonly #oldRests: string[] = [];
  /** Those not yet part of an operation. */
  readonly #conditions: Map<string, string | null>;
  readonly #knowledge: Knowledge;
  readonly #alwaysWritten: ReadonlySet<string>;
  readonly #decisive = new Set<number>();

  constructor(
    conditions: ReadonlyMap<string, string | null>,
    knowledge: Knowledge,
    alwaysWritten: ReadonlySet<string>,
  ) {
    this.#conditions = new Map(conditions);
    this.#knowledge = knowledge;
    this.#alwaysWritten = alwaysWritten;
  }

  put(rowKey: string, value: readonly Uint8Array[]): void {
    const { row, rest } = propertiesOf(value, () => this.#knowledge.newGeneration());
    this.#removeRest(rowKey);
    this.#puts.push(this.#operations.length);
    const version = this.#takeCondition(rowKey);
    const etag = version === undefined ? undefined : this.#etagFor(rowKey, version);
    if (version !== undefined && this.#alwaysWritten.has(rowKey)) this.#decisive.add(this.#operations.length);
    if (version === null && etag === undefined) this.#add({ kind: "insert", rowKey, properties: row }, true);
    else if (etag === undefined) this.#add({ kind: "replace", rowKey, properties: row });
    else this.#add({ kind: "replace", rowKey, properties: row, etag }, true);
    if (rest === undefined) return;
    this.#newRests.set(rowKey, rest.generation);
    this.#add({ kind: "replace", rowKey: restRowKey(rowKey, rest.generation), properties: rest.properties });
  }

  delete(rowKey: string): void {
    const version = this.#conditions.get(rowKey);
    // "Delete it if it is absent" is the condition alone.
    if (version === null) return;
    this.#removeRest(rowKey);
    this.#takeCondition(rowKey);
    if (version !== undefined) {
      if (this.#alwaysWritten.has(rowKey)) this.#decisive.add(this.#operations.length);
      this.#add({ kind: "delete", rowKey, etag: this.#etagFor(rowKey, version)! }, true);
    } else if (this.#knowledge.states.get(rowKey)?.kind !== "missing") {
      this.#add({ kind: "delete", rowKey }, true);
    }
  }

  finish(): CommitPlan {
    for (const [rowKey, version] of this.#conditions) this.#check(rowKey, version);
    // Rests of rows that are gone harm nobody: what has no room here is removed later.
    const room = Math.max(0, maxTransactionOperations - this.#operations.length);
    for (const rowKey of this.#oldRests.slice(0, room)) this.#add({ kind: "delete", rowKey }, true);
    return {
      operations: this.#operations,
      puts: this.#puts,
      fallible: this.#fallible,
      decisive: this.#decisive,
      newRests: this.#newRests,
      marks: this.#marks,
      leftRests: this.#oldRests.slice(room),
    };
  }

  /** Makes an operation of a condition on a row that is not written. */
  #check(rowKey: string, version: string | null): void {
    const etag = this.#etagFor(rowKey, version);
    if (version !== null) {
      this.#add({ kind: "merge", rowKey, properties: { v: version }, etag: etag! }, true);
      return;
    }
    this.#marks.push(this.#operations.length);
    if (etag === undefined) this.#add({ kind: "insert", rowKey, properties: absenceMark }, true);
    else this.#add({ kind: "replace", rowKey, properties: absenceMark, etag }, true);
  }

  #removeRest(rowKey: string): void {
    const generation = this.#knowledge.restOf(rowKey);
    if (generation === undefined) return;
    const rest = restRowKey(rowKey, generation);
    if (this.#knowledge.states.get(rest)?.kind !== "missing") this.#oldRests.push(rest);
  }

  #takeCondition(rowKey: string): string | null | undefined {
    const version = this.#conditions.get(rowKey);
    this.#conditions.delete(rowKey);
    return version;
  }

  /** The ETag to compare; `undefined` when there must be no entity. */
  #etagFor(rowKey: string, version: string | null): string | undefined {
    const state = this.#knowledge.states.get(rowKey);
    if (state === undefined || state.kind === "missing") return version ?? undefined;
    return state.etag;
  }

  #add(operation: Operation, fallible = false): void {
    if (fallible) this.#fallible.set(operation.rowKey, this.#operations.length);
    this.#operations.push(operation);
  }
}
