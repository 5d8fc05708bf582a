import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { algorithmsOf, namesOf, SECRET_ALGORITHMS } from "./algorithms.ts";

/** A key that checks signatures. */
export interface TokenKey {
  /** Name of the key in the header of tokens. Absent: the key checks tokens of any name. */
  readonly id?: string;
  /** Algorithms that the key may check. */
  readonly algorithms: readonly string[];
  readonly key: KeyObject;
}

/** Most keys that one token without a key id is checked with. */
const MAX_TRIES = 8;
/** Most ids in a message, and most characters of each. */
const MAX_SHOWN = 8;
const MAX_SHOWN_LENGTH = 40;

/** The keys of one issuer. */
export class KeySet {
  readonly keys: readonly TokenKey[];

  constructor(keys: readonly TokenKey[]) {
    this.keys = keys;
  }

  /** The keys that may have signed a token with these values in its header. */
  fitting(algorithm: string, id: string | undefined): readonly TokenKey[] {
    return this.keys
      .filter((key) => key.algorithms.includes(algorithm))
      .filter((key) => id === undefined || key.id === undefined || key.id === id)
      .slice(0, MAX_TRIES);
  }
}

/** Whether two sets have the same keys, in any order. */
export function sameKeys(a: KeySet, b: KeySet): boolean {
  const isIn = (set: KeySet) => (key: TokenKey) =>
    set.keys.some((other) => other.id === key.id && other.key.equals(key.key));
  return a.keys.length === b.keys.length && a.keys.every(isIn(b)) && b.keys.every(isIn(a));
}

/** A set of keys in a message: `2 keys: "a", "b"`. */
export function describeKeys({ keys }: KeySet): string {
  const ids = keys.slice(0, MAX_SHOWN).map(({ id = "" }) => JSON.stringify(id.slice(0, MAX_SHOWN_LENGTH)));
  const more = keys.length > MAX_SHOWN ? ", ..." : "";
  return `${keys.length} ${keys.length === 1 ? "key" : "keys"}: ${ids.join(", ")}${more}`;
}

/**
 * Reads secrets that signed tokens.
 *
 * @throws TypeError for a secret that is too short for the algorithms, or is no secret
 */
export function secretKeys(secrets: readonly (string | Uint8Array)[], algorithms: readonly string[]): KeySet {
  const least = Math.max(...algorithms.map((algorithm) => SECRET_ALGORITHMS[algorithm] ?? 0));
  const keys = secrets.map((secret): TokenKey => {
    const bytes = Buffer.from(secret as Uint8Array);
    // A public key as a secret would let all who know the public key make tokens.
    if (bytes.includes("-----BEGIN ")) {
      throw new TypeError(
        "secret is a key or certificate in PEM form; expected random bytes, or publicKey for such a key",
      );
    }
    if (bytes.length < least) {
      throw new TypeError(`secret has ${bytes.length} bytes; expected at least ${least} for ${algorithms.join(", ")}`);
    }
    return { algorithms, key: createSecretKey(bytes) };
  });
  if (keys.length === 0) throw new TypeError("secret is an empty list; expected at least one secret");
  return new KeySet(keys);
}

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Reads public keys and certificates in PEM form.
 *
 * @param text one or several blocks, such as the old and the new key during a rotation
 * @throws TypeError if a block is no such key
 */
export function pemKeys(text: string, algorithms: readonly string[]): KeySet {
  const blocks = [...text.matchAll(PEM_BLOCK)];
  const form = "expected public keys or certificates in PEM form";
  if (text.includes("PRIVATE KEY-----")) throw new TypeError(`publicKey is a private key; ${form}`);
  if (blocks.length === 0) throw new TypeError(`publicKey has no block "-----BEGIN ..."; ${form}`);
  return new KeySet(
    blocks.map(([block, label = ""]) => {
      const key = readPem(block, `publicKey: the ${label} cannot be read; ${form}`);
      const possible = possibleAlgorithms(key);
      const usable = possible.filter((algorithm) => algorithms.includes(algorithm));
      if (usable.length > 0) return { algorithms: usable, key };
      throw new TypeError(`publicKey checks ${possible.join(", ")}, but the algorithms are ${algorithms.join(", ")}`);
    }),
  );
}

function readPem(block: string, message: string): KeyObject {
  try {
    return createPublicKey(block);
  } catch (cause) {
    throw new TypeError(message, { cause });
  }
}

function possibleAlgorithms(key: KeyObject): readonly string[] {
  try {
    return algorithmsOf(key);
  } catch (error) {
    throw new TypeError(`publicKey ${(error as Error).message}`);
  }
}

/**
 * Reads a JSON Web Key Set (RFC 7517). Ignores keys that check no signature, as the RFC asks: keys for encryption,
 * secrets, private keys, unknown kinds.
 *
 * @throws TypeError if it is no key set, or has no usable key
 */
export function jwksKeys(value: unknown, algorithms: readonly string[]): KeySet {
  const list = isRecord(value) ? value.keys : undefined;
  if (!Array.isArray(list)) throw new TypeError('is no JSON Web Key Set; expected {"keys": [...]}');
  const keys = list.flatMap((jwk: unknown) => (isRecord(jwk) ? jwkKey(jwk, algorithms) : []));
  if (keys.length > 0) return new KeySet(keys);
  throw new TypeError(`has no public key among its ${list.length} keys that checks ${algorithms.join(", ")}`);
}

function jwkKey(jwk: Record<string, unknown>, allowed: readonly string[]): TokenKey[] {
  const { kid, use, alg, key_ops: operations } = jwk;
  if (jwk.kty === "oct" || jwk.d !== undefined) return [];
  if ((use !== undefined && use !== "sig") || (kid !== undefined && typeof kid !== "string")) return [];
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) return [];
  try {
    const key = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
    const named = alg === undefined ? allowed : typeof alg === "string" ? namesOf(alg) : [];
    const usable = algorithmsOf(key).filter((algorithm) => allowed.includes(algorithm) && named.includes(algorithm));
    // A key without an id checks only tokens without one, so that an unknown id leads to a new look at the issuer.
    return usable.length === 0 ? [] : [{ id: kid ?? "", algorithms: usable, key }];
  } catch {
    return [];
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
