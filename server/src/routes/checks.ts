import { ErrorReason } from "@streamkit/protocol";
import { type FieldViolation, invalidFields, ServerError } from "../errors.ts";

/**
 * Runs all checks of a request, even after one failed, so that one answer names all invalid fields (ERR-002).
 *
 * @throws ServerError INVALID_FIELD with the violations of all checks; if there are none, the first other error of a
 * check
 */
export function checkAll<T extends Record<string, () => unknown>>(checks: T): { [K in keyof T]: ReturnType<T[K]> } {
  const results: Record<string, unknown> = {};
  const violations: FieldViolation[] = [];
  let other: { readonly error: unknown } | undefined;
  for (const [name, check] of Object.entries(checks)) {
    try {
      results[name] = check();
    } catch (error) {
      const found = violationsOf(error);
      violations.push(...found);
      if (found.length === 0) other ??= { error };
    }
  }
  if (violations.length > 0) throw invalidFields(violations);
  if (other !== undefined) throw other.error;
  return results as { [K in keyof T]: ReturnType<T[K]> };
}

/** Checks all items of a list as `checkAll` does. Returns the results in order. */
export function checkEach<T, R>(items: readonly T[], check: (item: T, index: number) => R): R[] {
  return Object.values(checkAll(Object.fromEntries(items.map((item, index) => [index, () => check(item, index)]))));
}

function violationsOf(error: unknown): readonly FieldViolation[] {
  if (!(error instanceof ServerError) || error.reason !== ErrorReason.INVALID_FIELD) return [];
  return error.facts.fieldViolations ?? [];
}
