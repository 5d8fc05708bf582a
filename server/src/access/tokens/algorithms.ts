import type { KeyObject } from "node:crypto";

/** Algorithms of signatures with a secret, and the least bytes of a secret for them (RFC 7518, section 3.2). */
export const SECRET_ALGORITHMS: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 };

const RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const EDWARDS = ["EdDSA", "Ed25519"];
const CURVES: Readonly<Record<string, string>> = { prime256v1: "ES256", secp384r1: "ES384", secp521r1: "ES512" };
const MIN_RSA_BITS = 2_048;

/** Algorithms of signatures with a public key. */
export const PUBLIC_KEY_ALGORITHMS: readonly string[] = [...RSA, ...Object.values(CURVES), ...EDWARDS];

/**
 * The algorithms that a public key can check.
 *
 * @throws TypeError for a key that is too short, or of a kind without an algorithm
 */
export function algorithmsOf(key: KeyObject): readonly string[] {
  const { modulusLength = 0, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "rsa":
      if (modulusLength >= MIN_RSA_BITS) return RSA;
      throw new TypeError(`has an RSA key of ${modulusLength} bits; expected at least ${MIN_RSA_BITS}`);
    case "ec":
      if (CURVES[namedCurve] !== undefined) return [CURVES[namedCurve]];
      throw new TypeError(`has an EC key on the curve ${namedCurve}; expected P-256, P-384 or P-521`);
    case "ed25519":
      return EDWARDS;
    default:
      throw new TypeError(`has a key of type ${key.asymmetricKeyType}; expected RSA, EC or Ed25519`);
  }
}

/** The names of one algorithm. Ed25519 has two: tokens and keys of one issuer may use either. */
export function namesOf(algorithm: string): readonly string[] {
  return EDWARDS.includes(algorithm) ? EDWARDS : [algorithm];
}
