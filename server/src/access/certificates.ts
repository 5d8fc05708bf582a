import { AccessDenied } from "./denial.ts";
import type { Grants } from "./grants.ts";
import type { Authenticate, PeerCertificate, Principal } from "./principal.ts";

export interface CertificateOptions {
  /**
   * Returns the grants of a client, or undefined for a client that the server refuses. The server calls it for each
   * call.
   *
   * @param subject the subject of the principal; see `certificateAuthentication`
   */
  readonly grantsOf: (
    subject: string,
    certificate: PeerCertificate,
  ) => Grants | undefined | Promise<Grants | undefined>;
}

/**
 * Authenticates callers by client certificates. Pass it to `createStreamkit`, and the authorities of the clients to
 * `listen({ tls: { clientCa } })`.
 *
 * The subject of a caller is the first URI among the alternative names of the certificate, otherwise the first DNS
 * name, otherwise the distinguished name. Calls and streams end when the certificate expires.
 */
export function certificateAuthentication({ grantsOf }: CertificateOptions): Authenticate {
  return ({ peer }) => {
    if (peer === undefined) {
      const remedy = "connect with a certificate that an authority of the server signed";
      throw new AccessDenied("TOKEN_MISSING", `the connection has no valid client certificate; ${remedy}`);
    }
    const expiry = new Date(peer.expiresAt).toISOString();
    if (peer.expiresAt <= Date.now()) {
      throw new AccessDenied("TOKEN_EXPIRED", `the client certificate expired at ${expiry}; connect with a new one`);
    }
    const subject = peer.uris[0] ?? peer.dnsNames[0] ?? peer.subject;
    const grants = grantsOf(subject, peer);
    return grants instanceof Promise
      ? grants.then((later) => principalOf(subject, peer, later))
      : principalOf(subject, peer, grants);
  };
}

function principalOf(subject: string, { expiresAt }: PeerCertificate, grants: Grants | undefined): Principal {
  if (grants !== undefined) return { subject, grants, expiresAt };
  throw new AccessDenied("TOKEN_INVALID", `the server grants nothing to ${JSON.stringify(subject)}`);
}
