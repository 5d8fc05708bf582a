/** An issuer of tokens for tests: keys, tokens, and a server for its key set. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, type JWK, type JWTPayload, SignJWT } from "jose";
import type { AccessRequest } from "../../src/access/principal.ts";

export const SECRET = "a secret of a test with at least 32 bytes";
export const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

/** A key pair with the id that tokens name. */
export interface SigningKey {
  readonly id: string;
  readonly algorithm: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export function ecKey(id: string): SigningKey {
  return { id, algorithm: "ES256", ...generateKeyPairSync("ec", { namedCurve: "P-256" }) };
}

/** The public key as JWK. */
export async function jwkOf({ id, algorithm, publicKey }: SigningKey): Promise<JWK> {
  return { ...(await exportJWK(publicKey)), kid: id, alg: algorithm, use: "sig" };
}

/** The key set of some keys. */
export async function jwksOf(...keys: readonly SigningKey[]): Promise<{ keys: JWK[] }> {
  return { keys: await Promise.all(keys.map(jwkOf)) };
}

export const now = () => Math.floor(Date.now() / 1_000);

/** Claims of a good token. */
export function claims(changes: JWTPayload = {}): JWTPayload {
  return { sub: "alice", exp: now() + 600, scope: `streamkit::${STORE}`, ...changes };
}

export function signed(payload: JWTPayload, { id, algorithm, privateKey }: SigningKey): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: algorithm, kid: id }).sign(privateKey);
}

export function signedWithSecret(payload: JWTPayload, secret: string | Uint8Array = SECRET): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(secret as string));
}

/** A request with this header `authorization`; null for none. */
export function requestWith(authorization: string | null): AccessRequest {
  const get = (name: string) => (name === "authorization" ? authorization : null);
  return { headers: { get }, transport: "http" };
}

/** A request with a token. */
export function bearing(token: string): AccessRequest {
  return requestWith(`Bearer ${token}`);
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server whose answers the test sets by path. A path without an answer hangs. */
export interface IssuerServer extends AsyncDisposable {
  readonly url: string;
  /** Requests so far, by path. */
  readonly requests: Map<string, number>;
  /** Sets the answer for a path: a JSON value with status 200, or a function. */
  answer(path: string, value: object | Answer): void;
  /** Resolves with the next request for a path. */
  nextRequest(path: string): Promise<void>;
}

export async function startIssuer(port = 0): Promise<IssuerServer> {
  const answers = new Map<string, Answer>();
  const requests = new Map<string, number>();
  const awaited: { path: string; resolve: () => void }[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    requests.set(path, (requests.get(path) ?? 0) + 1);
    answers.get(path)?.(request, response);
    for (const { resolve } of awaited.splice(0).filter((each) => each.path === path || !awaited.push(each))) resolve();
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (path, value) => {
      answers.set(
        path,
        typeof value === "function" ? (value as Answer) : (_, response) => response.end(JSON.stringify(value)),
      );
    },
    nextRequest: (path) => new Promise((resolve) => awaited.push({ path, resolve })),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
