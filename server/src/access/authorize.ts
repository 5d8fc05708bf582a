import { Operation } from "@streamkit/protocol";
import { insufficient } from "./access-error.ts";
import type { NameSelection, Verb } from "./grant.ts";
import type { Grants } from "./grants.ts";

const VERB_OF: Readonly<Partial<Record<Operation, Verb>>> = {
  [Operation.READ]: "read",
  [Operation.APPEND]: "append",
  [Operation.TRIM]: "trim",
  [Operation.COORDINATE]: "coordinate",
  [Operation.ADMIN]: "admin",
};

/** Returns the verb that grants an operation; undefined if any caller, or any principal, may perform it. */
export function verbOf(operation: Operation): Verb | undefined {
  return VERB_OF[operation];
}

/** A part of a store that a message names. */
export interface Target {
  /** The store as the message names it: perhaps no UUID. */
  readonly store: string;
  /** Absent for the whole store. */
  readonly space?: NameSelection;
  /** Absent for whole spaces. */
  readonly segment?: NameSelection;
}

/**
 * Checks a right by the names alone, so that a foreign store and an absent one get the same answer.
 *
 * @throws ServerError PERMISSION_DENIED
 */
export function authorize(grants: Grants, verb: Verb, { store, space, segment }: Target): void {
  if (!grants.allows(verb, store, space, segment)) throw missing(grants, verb, { store, space, segment });
}

/**
 * Checks that a principal may see a part of a list: of the spaces of a store, or of the segments of a space.
 *
 * @throws ServerError PERMISSION_DENIED
 */
export function authorizeList(grants: Grants, verb: Verb, { store, space }: Target): void {
  const allowed = typeof space === "string" ? grants.coversSpace(verb, store, space) : grants.coversStore(verb, store);
  if (!allowed) throw missing(grants, verb, { store, space });
}

function missing(
  grants: Grants,
  verb: Verb,
  { store, space, segment }: { [key in keyof Target]: Target[key] | undefined },
) {
  const parts = [
    segment !== undefined && namesOf("segment", segment),
    space !== undefined && namesOf("space", space),
    `store ${shown(store ?? "")}`,
  ];
  const place = parts.filter((part) => part !== false).join(" of ");
  return insufficient(`the call needs "${verb}" on ${place}, which the grants of its principal do not allow`, grants);
}

function namesOf(noun: string, names: NameSelection): string {
  return typeof names === "string" ? `${noun} ${shown(names)}` : `${noun}s with the prefix ${shown(names.prefix)}`;
}

/** Makes text of a client short. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
