import { createHmac } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Credentials } from "@streamkit/protocol/conformance";

const HOUR_SECONDS = 3_600;
/** Life of the token of a cell, in seconds: longer than any run. */
const CELL_SECONDS = 7 * 24 * HOUR_SECONDS;

/** Returns a token that allows everything. */
export function tokenForAll(secret: string): string {
  const grant = { store: "*", verbs: ["read", "append", "trim", "coordinate", "admin"] };
  return signed(secret, { sub: "conformance", exp: inSeconds(CELL_SECONDS), streamkit: [grant] });
}

/**
 * Returns the token of an actor; empty for none.
 *
 * @param secret the secret that the server knows
 * @throws Error if there is no such fault
 */
export function makeToken(
  secret: string,
  actor: string,
  { grants, subject, lifetime, fault }: Pick<Credentials, "grants" | "subject" | "lifetime" | "fault">,
): string {
  const seconds = lifetime === undefined ? HOUR_SECONDS : durationMs(lifetime) / 1_000;
  const claims = { sub: subject === "" ? actor : subject, exp: inSeconds(seconds), streamkit: grants };
  switch (fault) {
    case "":
      return signed(secret, claims);
    case "none":
      return "";
    case "garbage":
      return "garbage";
    case "foreign":
      return signed("another secret of thirty-two bytes or more", claims);
    case "unsigned":
      return `${encoded({ alg: "none" })}.${encoded(claims)}.`;
    case "changed": {
      const [head, , signature] = signed(secret, { ...claims, streamkit: [] }).split(".");
      return [head, encoded(claims), signature].join(".");
    }
    case "expired":
      return signed(secret, { ...claims, exp: inSeconds(-HOUR_SECONDS) });
    case "early":
      return signed(secret, { ...claims, nbf: inSeconds(HOUR_SECONDS), exp: inSeconds(2 * HOUR_SECONDS) });
    case "endless":
      return signed(secret, { sub: claims.sub, streamkit: grants });
    default:
      throw new Error(`credentials have no fault ${fault}; case.proto lists them`);
  }
}

function signed(secret: string, claims: JsonObject): string {
  const content = `${encoded({ alg: "HS256", typ: "JWT" })}.${encoded(claims)}`;
  return `${content}.${createHmac("sha256", secret).update(content).digest("base64url")}`;
}

function encoded(json: JsonObject): string {
  return Buffer.from(JSON.stringify(json)).toString("base64url");
}

/** Returns a time in seconds since 1970, rounded up. */
function inSeconds(seconds: number): number {
  return Math.ceil(Date.now() / 1_000 + seconds);
}
