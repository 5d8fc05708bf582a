import type { Grants } from "./grants.ts";

/** A caller after authentication. */
export interface Principal {
  /** Name of the caller: the subject of a token, the name in a certificate, the owner of an API key. */
  readonly subject: string;
  /** Operations that the caller may perform. */
  readonly grants: Grants;
  /** End of the credentials, in milliseconds since 1970. Calls and streams then end with UNAUTHENTICATED. */
  readonly expiresAt?: number;
  /** Aborts when the credentials are revoked. Streams then end with UNAUTHENTICATED. */
  readonly revoked?: AbortSignal;
}

/** A client certificate that the TLS layer verified. */
export interface PeerCertificate {
  /** Distinguished name, as Node prints it: "CN=orders\nO=Example". */
  readonly subject: string;
  /** URIs among the subject alternative names. */
  readonly uris: readonly string[];
  /** DNS names among the subject alternative names. */
  readonly dnsNames: readonly string[];
  /** SHA-256 of the certificate, as upper-case hex pairs with colons between them. */
  readonly fingerprint256: string;
  /** End of the certificate's validity, in milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The part of a request that authentication sees. The server has not read the body yet. */
export interface AccessRequest {
  /** Headers of the request. Names are in lower case. */
  readonly headers: { get(name: string): string | null };
  /** The verified client certificate. Absent without TLS, without a certificate, or if verification failed. */
  readonly peer?: PeerCertificate;
  /** The way in. */
  readonly transport: "http" | "websocket" | "in-process";
}

/**
 * Finds the caller of a request.
 *
 * The server calls this function for each call, before it reads the body. A function that returns a principal, and not
 * a promise of one, saves the call a turn of the event loop.
 *
 * @throws AccessDenied for missing or bad credentials: the server answers UNAUTHENTICATED
 * @throws AuthenticationUnavailable if the credentials cannot be checked now: the server answers UNAVAILABLE
 * @throws Error for defects: the server logs the error, and answers UNAVAILABLE
 */
export type Authenticate = (request: AccessRequest) => Principal | Promise<Principal>;
