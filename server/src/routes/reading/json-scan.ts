import { isUtf8 } from "node:buffer";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ElementCounts, type ElementLimit, elementLimit, MAX_JSON_DEPTH, MAX_JSON_VALUES } from "./element-limits.ts";
import { unreadable } from "./refusal.ts";

/** The facts about a field that a scan needs. */
interface FieldPlan {
  readonly name: string;
  readonly kind: "list" | "map" | "single";
  /** The message type of the value, the elements, or the values of the map; undefined for scalars. */
  readonly message: DescMessage | undefined;
  readonly limit: ElementLimit | undefined;
}

const plans = new WeakMap<DescMessage, ReadonlyMap<string, FieldPlan>>();

/** Numbers with fewer digits are exact. */
const SAFE_DIGITS = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const LETTER_D = 0x64;
const LETTER_U = 0x75;

/**
 * Checks JSON before any objects are created. The bytes must be UTF-8 without lone surrogates, no field and no key of a
 * map may occur twice, and counts and depth must be within their limits. The parser checks everything else.
 *
 * @throws ConnectError INVALID_FIELD; or with the reason of the exceeded limit
 */
export function scanJson(message: DescMessage, bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw unreadable("the message is not valid UTF-8");
  new JsonScan(bytes).run(message);
}

class JsonScan {
  readonly #bytes: Uint8Array;
  readonly #counts = new ElementCounts();
  readonly #path: (string | number)[] = [];
  #at = 0;
  #values = 0;
  /** True directly after the bracket that opens an object or array. */
  #first = false;
  /** True if the last string has escapes. */
  #escaped = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) this.#at = 3;
  }

  run(message: DescMessage): void {
    this.#value(message, 0, false);
    this.#peek();
    if (this.#at < this.#bytes.length) this.#unexpected();
  }

  /** @param isKnown true if the value belongs to a field of the message */
  #value(message: DescMessage | undefined, depth: number, isKnown: boolean): void {
    if (++this.#values > MAX_JSON_VALUES) throw unreadable(`the message has more than ${MAX_JSON_VALUES} values`);
    const next = this.#peek();
    if (next === OPEN_OBJECT) this.#object(message, depth + 1);
    else if (next === OPEN_ARRAY) this.#array(undefined, depth + 1);
    else if (next === QUOTE) this.#string();
    else this.#literal(isKnown);
  }

  #object(message: DescMessage | undefined, depth: number): void {
    this.#enter(depth);
    const fields = message && plansOf(message);
    let seen: Set<FieldPlan> | undefined;
    while (this.#member(CLOSE_OBJECT)) {
      const field = fields?.get(this.#key());
      if (fields === undefined) this.#skipKey();
      this.#colon();
      if (field === undefined) {
        this.#value(undefined, depth, false);
        continue;
      }
      seen ??= new Set();
      this.#path.push(field.name);
      if (seen.has(field)) throw unreadable("occurs twice; expected it once", this.#place());
      seen.add(field);
      this.#field(field, depth);
      this.#path.pop();
    }
  }

  #field(field: FieldPlan, depth: number): void {
    const next = this.#peek();
    if (field.kind === "list" && next === OPEN_ARRAY) {
      this.#values++;
      this.#array(field, depth + 1);
    } else if (field.kind === "map" && next === OPEN_OBJECT) {
      this.#values++;
      this.#map(field, depth + 1);
    } else {
      this.#value(field.message, depth, true);
    }
  }

  #map(field: FieldPlan, depth: number): void {
    this.#enter(depth);
    const seen = new Set<string>();
    while (this.#member(CLOSE_OBJECT)) {
      if (field.limit !== undefined) this.#counts.add(field.limit);
      const key = this.#key();
      if (seen.has(key)) throw unreadable(`key ${JSON.stringify(key)} occurs twice; expected it once`, this.#place());
      seen.add(key);
      this.#colon();
      this.#value(field.message, depth, true);
    }
  }

  #array(field: FieldPlan | undefined, depth: number): void {
    this.#enter(depth);
    for (let index = 0; this.#member(CLOSE_ARRAY); index++) {
      if (field?.limit !== undefined) this.#counts.add(field.limit);
      this.#path.push(index);
      this.#value(field?.message, depth, field !== undefined);
      this.#path.pop();
    }
  }

  /** Steps over the bracket that opens an object or array. */
  #enter(depth: number): void {
    if (depth > MAX_JSON_DEPTH) throw unreadable(`the message is nested deeper than ${MAX_JSON_DEPTH} levels`);
    this.#at++;
    this.#first = true;
  }

  /** Steps to the next member or element and returns true; at the closing bracket, steps over it and returns false. */
  #member(close: number): boolean {
    const first = this.#first;
    this.#first = false;
    const next = this.#peek();
    if (next === close) {
      this.#at++;
      return false;
    }
    if (first) return true;
    if (next !== COMMA) this.#unexpected();
    this.#at++;
    if (this.#peek() === close) this.#unexpected();
    return true;
  }

  #key(): string {
    const start = this.#at;
    this.#skipKey();
    const text = Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#at - start).toString();
    try {
      return this.#escaped ? JSON.parse(text) : text.slice(1, -1);
    } catch {
      return this.#unexpected();
    }
  }

  #skipKey(): void {
    if (this.#peek() !== QUOTE) this.#unexpected();
    this.#string();
  }

  #colon(): void {
    if (this.#peek() !== COLON) this.#unexpected();
    this.#at++;
  }

  /** Steps over a string. */
  #string(): void {
    const bytes = this.#bytes;
    const end = bytes.length;
    this.#escaped = false;
    let at = this.#at + 1;
    for (; at < end; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        this.#at = at + 1;
        return;
      }
      if (byte !== BACKSLASH) continue;
      this.#escaped = true;
      at++;
      if (bytes[at] === LETTER_U) at = this.#unicode(at);
    }
    this.#at = end;
    this.#unexpected();
  }

  /**
   * Steps over an escaped character.
   *
   * @param at position of the letter u
   * @returns position of the last digit
   */
  #unicode(at: number): number {
    // Only surrogates begin with D.
    if (((this.#bytes[at + 1] ?? 0) | 0x20) !== LETTER_D) return at + 4;
    const unit = this.#hex(at + 1);
    if (unit < 0xd800 || unit > 0xdfff) return at + 4;
    const isPair = unit < 0xdc00 && this.#bytes[at + 5] === BACKSLASH && this.#bytes[at + 6] === LETTER_U;
    const low = isPair ? this.#hex(at + 7) : 0;
    if (low >= 0xdc00 && low <= 0xdfff) return at + 10;
    throw unreadable("has a lone surrogate; expected valid Unicode", this.#place());
  }

  #hex(at: number): number {
    const value = Number.parseInt(Buffer.from(this.#bytes.subarray(at, at + 4)).toString("latin1"), 16);
    return Number.isNaN(value) ? 0 : value;
  }

  /**
   * Steps over a number, true, false or null. Refuses a number that JSON.parse would round: the client must send it as
   * a string.
   */
  #literal(isKnown: boolean): void {
    const start = this.#at;
    for (; this.#at < this.#bytes.length; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte <= 0x20 || byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) break;
    }
    if (this.#at === start) this.#unexpected();
    if (!isKnown || this.#at - start < SAFE_DIGITS) return;
    const text = Buffer.from(this.#bytes.subarray(start, this.#at)).toString("latin1");
    if (Math.abs(Number(text)) > Number.MAX_SAFE_INTEGER) {
      throw unreadable(`is ${text.slice(0, 40)}; expected numbers beyond 2^53 as strings`, this.#place());
    }
  }

  /** Returns the next byte that is not white space; undefined at the end. */
  #peek(): number | undefined {
    const bytes = this.#bytes;
    for (;;) {
      const byte = bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.#at++;
    }
  }

  #unexpected(): never {
    const found = this.#at < this.#bytes.length ? `unexpected character at byte ${this.#at}` : "it ends too early";
    throw unreadable(`the message is not valid JSON: ${found}`);
  }

  /** Returns the path of the current value, such as "appends[2].records[0].metadata". */
  #place(): string {
    let path = "";
    for (const part of this.#path) {
      if (typeof part === "number") path += `[${part}]`;
      else path += path === "" ? part : `.${part}`;
    }
    return path;
  }
}

function plansOf(message: DescMessage): ReadonlyMap<string, FieldPlan> {
  let plan = plans.get(message);
  if (plan === undefined) {
    const found = new Map<string, FieldPlan>();
    for (const field of message.fields) {
      const entry = planOf(field);
      found.set(field.jsonName, entry);
      found.set(field.name, entry);
    }
    plan = found;
    plans.set(message, plan);
  }
  return plan;
}

function planOf(field: DescField): FieldPlan {
  const kind = field.fieldKind === "list" || field.fieldKind === "map" ? field.fieldKind : "single";
  return { name: field.name, kind, message: field.message, limit: elementLimit(field) };
}
