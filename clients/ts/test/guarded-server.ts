import { createHmac, randomBytes } from "node:crypto";
import type { Interceptor } from "@connectrpc/connect";
import {
  AccessDenied,
  type AccessRequest,
  createStreamkit,
  Grants,
  memoryStorage,
  type Principal,
  type StreamkitOptions,
  tokenAuthentication,
  type Verb,
} from "@streamkit/server";
import { type RunningServer, TRANSPORTS } from "./peers.ts";

/** Every way to reach a server that checks tokens. */
export const GUARDED_TRANSPORTS: typeof TRANSPORTS = {
  ...TRANSPORTS,
  "in-process": ({ streamkit }) => streamkit.transport({ authenticate: true }),
};

/** Hands out tokens, and takes them back. */
export class Guard {
  /** The calls with a good token. */
  readonly calls: { readonly method: string; readonly token: string | undefined }[] = [];
  /** The token of each call, good or bad. */
  readonly attempts: string[] = [];
  /** Number of refused calls. */
  refusals = 0;
  /** The operations that all tokens allow from now on; undefined: all. */
  verbs: readonly Verb[] | undefined;
  readonly #ends = new Map<string, AbortController>();

  /** Makes a token. */
  issue(): string {
    const token = `SECRET${this.#ends.size + 1}`;
    this.#ends.set(token, new AbortController());
    return token;
  }

  /** Ends all tokens, and the streams that began with them. */
  expireAll(): void {
    for (const end of this.#ends.values()) end.abort();
  }

  readonly authenticate = ({ headers }: AccessRequest): Principal => {
    const header = headers.get("authorization");
    // The upgrade to a WebSocket has no token.
    if (header === null) throw new AccessDenied("TOKEN_MISSING", "there is no token");
    const token = header.replace(/^Bearer /, "");
    this.attempts.push(token);
    const revoked = this.#ends.get(token)?.signal;
    if (revoked === undefined || revoked.aborted) {
      this.refusals += 1;
      throw new AccessDenied(revoked === undefined ? "TOKEN_INVALID" : "TOKEN_EXPIRED", "the token is not good");
    }
    const { verbs } = this;
    return { subject: "caller", grants: verbs ? Grants.of([{ store: "*", verbs }]) : Grants.all, revoked };
  };

  readonly interceptor: Interceptor = (next) => (request) => {
    const token = request.header.get("authorization")?.replace(/^Bearer /, "");
    this.calls.push({ method: request.method.name, token });
    return next(request);
  };
}

/** Starts a server on a free port that a guard protects. */
export function startGuarded({ authenticate, interceptor }: Guard): Promise<RunningServer> {
  return start({ authenticate, interceptors: [interceptor] });
}

/** A server that checks JSON Web Tokens. */
export interface JwtServer extends RunningServer {
  /** Makes a token for everything that ends after so many milliseconds. */
  issue(lifeMillis: number): string;
}

/** Starts a server on a free port that checks JSON Web Tokens. */
export async function startWithJwts(): Promise<JwtServer> {
  const secret = randomBytes(32);
  const server = await start({ authenticate: tokenAuthentication({ secret, clockToleranceSeconds: 0 }) });
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const issue = (lifeMillis: number) => {
    const exp = (Date.now() + lifeMillis) / 1_000;
    const signed = `${part({ alg: "HS256" })}.${part({ sub: "caller", exp, scope: "streamkit::*" })}`;
    return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
  };
  return { ...server, issue, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function start(options: Omit<StreamkitOptions, "storage">): Promise<RunningServer> {
  const streamkit = createStreamkit({ storage: memoryStorage(), ...options });
  const listener = await streamkit.listen({ port: 0 });
  return { streamkit, listener, [Symbol.asyncDispose]: () => streamkit.close() };
}
