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
  const failures = new Failures();
  for (const name in checks) {
    try {
      results[name] = checks[name]();
    } catch (error) {
      failures.add(error);
    }
  }
  failures.throwAny();
  return results as { [K in keyof T]: ReturnType<T[K]> };
}

/** Checks all items of a list as `checkAll` does. Returns the results in order. */
export function checkEach<T, R>(items: readonly T[], check: (item: T, index: number) => R): R[] {
  const results: R[] = [];
  const failures = new Failures();
  for (const [index, item] of items.entries()) {
    try {
      results.push(check(item, index));
    } catch (error) {
      failures.add(error);
    }
  }
  failures.throwAny();
  return results;
}

/** The failures of the checks of one request. */
class Failures {
  readonly #violations: FieldViolation[] = [];
  #other: { readonly error: unknown } | undefined;

  add(error: unknown): void {
    const found = violationsOf(error);
    if (found.length === 0) this.#other ??= { error };
    else this.#violations.push(...found);
  }

  /** @throws ServerError INVALID_FIELD with all violations; if there are none, the first other error */
  throwAny(): void {
    if (this.#violations.length > 0) throw invalidFields(this.#violations);
    if (this.#other !== undefined) throw this.#other.error;
  }
}

function violationsOf(error: unknown): readonly FieldViolation[] {
  if (!(error instanceof ServerError) || error.reason !== ErrorReason.INVALID_FIELD) return [];
  return error.facts.fieldViolations ?? [];
}
