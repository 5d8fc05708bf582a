import { createContextKey } from "@connectrpc/connect";
import type { PeerCertificate } from "../access/principal.ts";
import type { Account } from "./account.ts";

/** The caller, as far as the transport knows it. */
export interface Peer {
  /** The account of the connection. */
  readonly account: Account;
  /** Returns the verified client certificate of the connection. Absent for transports without certificates. */
  readonly certificate?: () => PeerCertificate | undefined;
}

/** Set by transports that know their peers. Calls without a peer count for the server alone. */
export const peerKey = createContextKey<Peer | undefined>(undefined, { description: "the peer of the call" });

/** The account that counts this call. Set for every admitted call. */
export const accountKey = createContextKey<Account | undefined>(undefined, { description: "the account of the call" });
