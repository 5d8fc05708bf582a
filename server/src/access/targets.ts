import { type DescField, type DescMethod, ScalarType } from "@bufbuild/protobuf";
import { Operation } from "@streamkit/protocol";
import { type Target, verbOf } from "./authorize.ts";
import type { Verb } from "./grant.ts";
import { operationOf } from "./operations.ts";

/** Fields of requests that name a part of a store. */
const NAMING = ["store_id", "space", "spaces", "segment", "segment_prefix", "appends"] as const;
type Naming = (typeof NAMING)[number];

/**
 * Fields of requests that hold text, but name no part that a grant can be limited to. Leases, cursors and workers
 * belong to the whole store, and so do the offsets of a cursor.
 */
const OTHER: ReadonlySet<string> = new Set([
  "prefix",
  "page_token",
  "transaction_id",
  "key",
  "holder",
  "name",
  "offsets",
  "group",
  "worker",
  "worker_id",
]);

/**
 * The authorization of an RPC.
 *
 * - "none": authentication decides alone.
 * - "stores": lists the stores of which a grant covers a part.
 * - "part": lists spaces or segments, or looks a store up. Needs a grant on a part of it.
 * - "targets": needs grants on all targets of each message.
 */
type Rule = "none" | "stores" | "part" | "targets";

/** The authorization of an RPC, and the fields of its requests that name parts of a store. */
export interface AccessPlan {
  readonly rule: Rule;
  /** Undefined for the rule "none". */
  readonly verb: Verb | undefined;
  readonly fields: ReadonlySet<Naming>;
}

/**
 * Derives the authorization of an RPC from its operation and the fields of its request.
 *
 * @throws TypeError for a field with text that this file does not know, because the field may name a part of a store
 */
export function accessPlan(method: DescMethod): AccessPlan {
  const operation = operationOf(method);
  const verb = verbOf(operation);
  const fields = new Set<Naming>();
  if (verb === undefined) return { rule: "none", verb, fields };
  for (const field of method.input.fields) {
    const naming = NAMING.find((name) => name === field.name);
    if (naming !== undefined) fields.add(naming);
    else if (!OTHER.has(field.name) && mayName(field)) {
      const path = `${method.parent.typeName}/${method.name}`;
      throw new TypeError(`${path}: the field ${field.name} has no rule in server/src/access/targets.ts`);
    }
  }
  return { rule: ruleOf(method, operation, fields), verb, fields };
}

function ruleOf({ input }: DescMethod, operation: Operation, fields: ReadonlySet<Naming>): Rule {
  if (!fields.has("store_id")) return "stores";
  const isList = input.fields.some((field) => field.name === "page_token");
  const isLookup = !fields.has("space") && !fields.has("spaces");
  return operation === Operation.READ && (isList || isLookup) ? "part" : "targets";
}

/** True if values of a field can be names. Times and durations are the only messages without text. */
function mayName(field: DescField): boolean {
  if (field.fieldKind === "enum") return false;
  if (field.fieldKind === "scalar") return field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES;
  return field.message?.typeName.startsWith("google.protobuf.") !== true;
}

/** The values of the naming fields of a message. A field that the request does not have is absent. */
export interface NamingFields {
  readonly storeId?: string;
  readonly space?: string;
  readonly spaces?: Readonly<Record<string, unknown>>;
  readonly segment?: string;
  readonly segmentPrefix?: string;
}

/** Returns the parts of a store that a message names; without the segments of appends. */
export function targetsOf({ verb, fields }: AccessPlan, message: NamingFields): readonly Target[] {
  const { storeId: store = "", space = "", spaces = {}, segment = "", segmentPrefix = "" } = message;
  if (verb === "coordinate") return [{ store }];
  if (fields.has("spaces") && Object.keys(spaces).length > 0) {
    return Object.keys(spaces).map((name) => ({ store, space: name }));
  }
  if (!fields.has("space")) return [{ store }];
  if (!fields.has("segment_prefix")) return [fields.has("segment") ? { store, space, segment } : { store, space }];
  const named: Target[] = [];
  if (segment !== "") named.push({ store, space, segment });
  if (segmentPrefix !== "") named.push({ store, space, segment: { prefix: segmentPrefix } });
  return named.length === 0 ? [{ store, space }] : named;
}
