import { randomUUID } from "node:crypto";
import type { JsonValue } from "@bufbuild/protobuf";
import { mapStrings } from "./json.ts";

const PLACEHOLDER = /\$\{([a-z][\w:-]*?)([+-]\d+)?\}/gi;
const WHOLE = /^\$\{([a-z][\w:-]*)\}$/i;

/** The placeholders of one run of a case: names that the runner makes unique, and values that steps capture. */
export class Scope {
  readonly #values: Map<string, JsonValue>;
  /** Shared with children: `${uuid:x}` stays the same for the whole run. */
  readonly #uuids: Map<string, string>;

  /** @param values initial placeholders; must contain `store` and `space` */
  constructor(values: Record<string, JsonValue>, uuids = new Map<string, string>()) {
    this.#values = new Map(Object.entries(values));
    this.#uuids = uuids;
  }

  /** Sets a placeholder for later steps. */
  set(name: string, value: JsonValue): void {
    this.#values.set(name, value);
  }

  /** Returns a child scope with more placeholders. The parent does not see the child's captures. */
  with(values: Record<string, JsonValue>): Scope {
    return new Scope({ ...Object.fromEntries(this.#values), ...values }, this.#uuids);
  }

  /** @throws Error if there is no such placeholder */
  get(name: string): JsonValue {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    if (!/^uuid(:|$)/.test(name)) throw new Error(`unknown placeholder \${${name}}`);
    const made = this.#uuids.get(name) ?? randomUUID();
    this.#uuids.set(name, made);
    return made;
  }

  /** Replaces every placeholder in every string of `value`. */
  resolve<T extends JsonValue>(value: T): T {
    return mapStrings(value, (text) => this.text(text)) as T;
  }

  /** Replaces every placeholder of one string. */
  text(text: string): string {
    return text.replace(PLACEHOLDER, (_, name: string, change: string | undefined) => {
      const value = this.get(name);
      return change === undefined ? String(value) : String(BigInt(String(value)) + BigInt(change));
    });
  }
}

/**
 * Replaces the placeholders of a variant; unknown placeholders stay. A string that consists of one placeholder takes
 * the type of its value.
 */
export function fillVariant<T extends JsonValue>(template: T, variant: Record<string, JsonValue>): T {
  return mapStrings(template, (text) => {
    const whole = WHOLE.exec(text)?.[1];
    if (whole !== undefined && Object.hasOwn(variant, whole)) return variant[whole];
    return text.replace(PLACEHOLDER, (found, name: string, change: string | undefined) =>
      Object.hasOwn(variant, name) && change === undefined ? String(variant[name]) : found,
    );
  }) as T;
}
