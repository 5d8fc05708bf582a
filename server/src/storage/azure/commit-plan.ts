/**
 * Turns a commit of the port into the operations of a transaction.
 *
 * The version of a row is the ETag of its last write. A condition on a row that the commit writes therefore becomes an
 * If-Match or an insert. A condition on another row needs an operation of its own, and Azure has no operation that only
 * checks:
 *
 * - "has this version" becomes a merge, which changes the ETag and keeps the version in property `v`;
 * - "is absent" becomes the insert of a mark of absence (entity.ts). Readers skip it, and a later request removes it.
 *
 * So the ETag of an entity may differ from the version of its row, and an absent row may have an entity. The first plan
 * assumes neither. If its transaction fails, the next plan uses the actual states of the rows (`RowState`).
 */
import type { CommitBatch } from "../port.ts";
import { absenceMark, propertiesOf } from "./entity.ts";
import { MAX_TRANSACTION_OPERATIONS } from "./limits.ts";
import { restRowKey, rowKeyOf } from "./row-key.ts";
import type { Operation } from "./transaction.ts";

/** The state of a row in the table. */
export type RowState =
  | { readonly kind: "missing" }
  /** No row, but a mark of absence. */
  | { readonly kind: "absence"; readonly etag: string }
  | { readonly kind: "row"; readonly etag: string; readonly version: string };

/** Known facts about rows, by row key. */
export interface Knowledge {
  /** States read after a failure. For all other rows the plan assumes the state that their condition expects. */
  readonly states: ReadonlyMap<string, RowState>;
  /** Generation of the last seen rest of a row; the plan deletes that rest when it changes the row. */
  restOf(rowKey: string): string | undefined;
  /** A generation that was never used before. */
  newGeneration(): string;
}

export interface CommitPlan {
  readonly operations: readonly Operation[];
  /** Index of the operation of each put, in the order of the puts. */
  readonly puts: readonly number[];
  /** Index of the operation of each row with a condition or a delete: the operations that may fail. */
  readonly fallible: ReadonlyMap<string, number>;
  /** Operations whose failure proves that a condition does not hold. */
  readonly decisive: ReadonlySet<number>;
  /** Generations of the rests that the puts write, by row key. */
  readonly newRests: ReadonlyMap<string, string>;
  /** Operations that insert marks of absence. A later request must remove these marks. */
  readonly marks: readonly number[];
  /** Row keys of obsolete rests for which the transaction has no room. */
  readonly leftRests: readonly string[];
}

/** Form of Azure's ETags. No other string was ever a version. */
const ETAG_PATTERN = /^W\/".*"$/;

/** The plan for a commit; `undefined` if one of its conditions cannot hold. */
export function planCommit(batch: CommitBatch, knowledge: Knowledge): CommitPlan | undefined {
  const conditions = new Map<string, string | null>();
  const alwaysWritten = new Set<string>();
  for (const { key, version, alwaysWritten: always } of batch.conditions) {
    if (version !== null && (typeof version !== "string" || !ETAG_PATTERN.test(version))) return undefined;
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

/** True if the state of a row fulfils a condition; `version` is `null` for "absent". */
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
  /** Conditions without an operation so far. */
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
    // Deleting a row on the condition that it is absent amounts to the condition.
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
    // A rest without a row does no harm, so a later request may remove those that have no room here.
    const room = Math.max(0, MAX_TRANSACTION_OPERATIONS - this.#operations.length);
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

  /** Adds the operation for a condition on a row that the commit does not write. */
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

  /** The ETag to compare; `undefined` if there must be no entity. */
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
