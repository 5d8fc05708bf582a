import { randomUUID } from "node:crypto";
import type { JsonValue } from "@bufbuild/protobuf";
import { mapStrings } from "./json.ts";

const PLACEHOLDER = /\$\{([a-z][\w:-]*?)([+-]\d+)?\}/gi;
const WHOLE = /^\$\{([a-z][\w:-]*)\}$/i;

/** The placeholders of one run of a case: what the runner made unique, and what steps have captured. */
export class Scope {
  readonly #values: Map<string, JsonValue>;
  /** Shared with children: `${uuid:x}` is the same in the whole run. */
  readonly #uuids: Map<string, string>;

  /** @param values initial placeholders; `store` and `space` at least */
  constructor(values: Record<string, JsonValue>, uuids = new Map<string, string>()) {
    this.#values = new Map(Object.entries(values));
    this.#uuids = uuids;
  }

  /** Names a value for later steps. */
  set(name: string, value: JsonValue): void {
    this.#values.set(name, value);
  }

  /** The same placeholders and some more; captures go to the child only. */
  with(values: Record<string, JsonValue>): Scope {
    return new Scope({ ...Object.fromEntries(this.#values), ...values }, this.#uuids);
  }

  /** @throws Error when no such placeholder is known */
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
 * Replaces the placeholders of a variant; those it does not know stay. A string that is one placeholder takes the
 * value's type.
 */
export function fillVariant<T extends JsonValue>(template: T, variant: Record<string, JsonValue>): T {
  return mapStrings(template, (text) => {
    const whole = WHOLE.exec(text)?.[1];
    if (whole !== undefined && Object.hasOwn(variant, whole)) return variant[whole]!;
    return text.replace(PLACEHOLDER, (found, name: string, change: string | undefined) =>
      Object.hasOwn(variant, name) && change === undefined ? String(variant[name]) : found,
    );
  }) as T;
}
