import { createHmac, randomBytes } from "node:crypto";

/** Returns a secret for HS256, in text. */
export function makeSecret(): string {
  return randomBytes(32).toString("hex");
}

/** Returns a token that allows everything except administration on all stores, for a day. */
export function makeToken(secret: string, subject: string): string {
  const claims = { sub: subject, exp: Math.floor(Date.now() / 1_000) + 86_400, scope: "streamkit::*" };
  const content = [{ alg: "HS256", typ: "JWT" }, claims].map(encoded).join(".");
  return `${content}.${createHmac("sha256", secret).update(content).digest("base64url")}`;
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString("base64url");
}
