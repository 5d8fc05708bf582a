import { LIMITS } from "@streamkit/protocol";
import { type FieldViolation, invalidField, invalidFields } from "../errors.ts";

/** An entry of a list, in the order of names. */
export interface Listed<Item> {
  readonly name: string;
  /** Undefined for a name that the list skips, such as the key of an expired lease. */
  readonly item: Item | undefined;
}

/** U+0000 to U+001F and U+007F to U+009F. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern looks for control characters
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Checks a name against Limits.max_name_bytes.
 *
 * @returns the name
 * @throws ServerError INVALID_FIELD
 */
export function checkName(name: string, field: string): string {
  const violation = nameViolation(name, field);
  if (violation !== undefined) throw invalidFields([violation]);
  return name;
}

/** Returns the violation of a name; undefined if the name is valid. */
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

/**
 * Checks the prefix of a list or filter. An empty prefix is valid; any other must be a valid name.
 *
 * @returns the prefix
 * @throws ServerError INVALID_FIELD
 */
export function checkPrefix(prefix: string, field: string): string {
  return prefix === "" ? prefix : checkName(prefix, field);
}

/**
 * Checks a UUID.
 *
 * @returns the UUID in lower case
 * @throws ServerError INVALID_FIELD
 */
export function checkUuid(id: string, field: string): string {
  const problem = uuidProblem(id);
  if (problem !== undefined) throw invalidField(field, problem);
  return id.toLowerCase();
}

/** Returns the reason why a text is not a UUID; undefined if it is one. */
export function uuidProblem(id: string): string | undefined {
  if (id === "") return "is missing; expected a UUID such as 6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
  return UUID.test(id) ? undefined : "is not a UUID; expected 36 characters in the form 8-4-4-4-12";
}
