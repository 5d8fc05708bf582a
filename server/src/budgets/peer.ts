import { createContextKey } from "@connectrpc/connect";
import type { Account } from "./account.ts";

/** Who is calling, as far as the transport knows. */
export interface Peer {
  /** The account of the connection. */
  readonly account: Account;
}

/** Set by transports that know their peers; calls without are counted for the server alone. */
export const peerKey = createContextKey<Peer | undefined>(undefined, { description: "who is calling" });

/** The account that this call is counted for; set for every call that was admitted. */
export const accountKey = createContextKey<Account | undefined>(undefined, { description: "who pays for the call" });
