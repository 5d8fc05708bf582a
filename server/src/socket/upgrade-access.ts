import type { IncomingMessage } from "node:http";
import { ErrorReason } from "@streamkit/protocol";
import type { Admission } from "../budgets/admission.ts";
import type { ServerError } from "../errors.ts";
import { peerOf } from "../http/peer-certificate.ts";
import type { UpgradeAccess } from "./context.ts";

/** Describes the request that opens a socket, for authentication of the socket and of its calls. */
export function accessOf(request: IncomingMessage): UpgradeAccess {
  const get = (name: string) => {
    const value = request.headers[name.toLowerCase()];
    return value === undefined ? null : String(value);
  };
  const peer = peerOf(request);
  return { headers: { get }, ...(peer && { peer }) };
}

/** The outcome of the authentication of an upgrade. */
export type CheckedUpgrade =
  /** The socket may open. `isKnown` is false for a socket without credentials: each of its calls needs its own. */
  { readonly isKnown: boolean } | { readonly refusal: ServerError };

/**
 * Authenticates an upgrade. Missing credentials are no reason to refuse it, because browsers cannot send any with an
 * upgrade. Without a gate, every socket is known. Never throws or rejects.
 */
export function checkUpgrade(admission: Admission, access: UpgradeAccess): CheckedUpgrade | Promise<CheckedUpgrade> {
  const refused = (error: ServerError): CheckedUpgrade =>
    error.reason === ErrorReason.TOKEN_MISSING ? { isKnown: false } : { refusal: error };
  try {
    const principal = admission.authenticate({ ...access, transport: "websocket" });
    return principal instanceof Promise ? principal.then(() => ({ isKnown: true }), refused) : { isKnown: true };
  } catch (error) {
    return refused(error as ServerError);
  }
}
