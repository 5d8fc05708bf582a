import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Events } from "../../events.ts";
import { describeKeys, jwksKeys, type KeySet, sameKeys, type TokenKey } from "./key-set.ts";
import type { KeySource } from "./key-source.ts";

/** Time between two looks at the file, in milliseconds. */
const LOOK_MILLIS = 2_000;

/**
 * Keys in a file, which may change at any time. A file that cannot be used leaves the earlier keys in place.
 *
 * Reads the file every two seconds in place of a watch on it: that sees every way to replace a file, also over networks
 * and in mounted configurations of Kubernetes.
 */
export class JwksFile implements KeySource {
  readonly #name: string;
  onChange?: () => void;
  readonly #path: string;
  readonly #algorithms: readonly string[];
  readonly #events: Events;
  readonly #timer: NodeJS.Timeout;
  #text: string;
  #keys: KeySet;
  /** The last problem, so that each is reported once. */
  #problem: string | undefined;
  #looking = false;

  /** @throws TypeError if the file cannot be read, or has no usable keys */
  constructor(path: string, algorithms: readonly string[], events: Events, lookMillis = LOOK_MILLIS) {
    this.#name = `the key set ${path}`;
    this.#path = path;
    this.#algorithms = algorithms;
    this.#events = events;
    try {
      this.#text = readFileSync(path, "utf8");
      this.#keys = this.#parse(this.#text);
    } catch (cause) {
      throw new TypeError(`${this.#name} ${problemOf(cause)}`, { cause });
    }
    this.#timer = setInterval(() => void this.#look(), lookMillis);
    this.#timer.unref();
  }

  find(algorithm: string, id: string | undefined): readonly TokenKey[] {
    return this.#keys.fitting(algorithm, id);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Never throws. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const text = await readFile(this.#path, "utf8");
      if (text !== this.#text) this.#take(text);
      this.#problem = undefined;
    } catch (cause) {
      const problem = problemOf(cause);
      if (problem === this.#problem) return;
      this.#problem = problem;
      const message = `${this.#name} ${problem}; the earlier keys stay valid`;
      this.#events.report({ level: "warn", kind: "token-keys", message, cause });
    } finally {
      this.#looking = false;
    }
  }

  #take(text: string): void {
    const keys = this.#parse(text);
    this.#text = text;
    if (sameKeys(this.#keys, keys)) return;
    this.#keys = keys;
    this.onChange?.();
    this.#events.report({ level: "info", kind: "token-keys", message: `${this.#name} has ${describeKeys(keys)}` });
  }

  #parse(text: string): KeySet {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new TypeError("is not JSON");
    }
    return jwksKeys(value, this.#algorithms);
  }
}

function problemOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === undefined ? message : `cannot be read: ${code}`;
}
