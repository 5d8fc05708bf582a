import { LIMITS } from "@streamkit/protocol";
import { type FieldViolation, invalidField, invalidFields } from "../errors.ts";

/** A name that a list has come to, in order. */
export interface Listed<Item> {
  readonly name: string;
  /** Absent for a name that is not listed, such as that of a lease that has ended. */
  readonly item: Item | undefined;
}

/** U+0000 to U+001F and U+007F to U+009F. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Checks a name against Limits.max_name_bytes.
 *
 * @throws ServerError INVALID_FIELD
 */
export function checkName(name: string, field: string): string {
  const violation = nameViolation(name, field);
  if (violation !== undefined) throw invalidFields([violation]);
  return name;
}

/** What is wrong with a name; undefined when nothing is. */
export function nameViolation(name: string, field: string): FieldViolation | undefined {
  const description = nameProblem(name);
  return description === undefined ? undefined : { field, description };
}

function nameProblem(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0) return "is missing; expected a name of 1 to 255 bytes of UTF-8";
  if (bytes > LIMITS.maxNameBytes) return `has ${bytes} bytes of UTF-8; expected 1 to ${LIMITS.maxNameBytes}`;
  if (CONTROL.test(name)) return "has a control character; expected none";
  if (!name.isWellFormed()) return "has a lone surrogate; expected valid Unicode";
  return undefined;
}

/** Checks the prefix of a list or filter: as a name, but it may be empty. */
export function checkPrefix(prefix: string, field: string): string {
  return prefix === "" ? prefix : checkName(prefix, field);
}

/**
 * Checks a UUID and brings it into lower case.
 *
 * @throws ServerError INVALID_FIELD
 */
export function checkUuid(id: string, field: string): string {
  if (id === "") throw invalidField(field, "is missing; expected a UUID such as 6f9619ff-8b86-4d01-b42d-00cf4fc964ff");
  if (!UUID.test(id)) throw invalidField(field, "is not a UUID; expected 36 characters in the form 8-4-4-4-12");
  return id.toLowerCase();
}
