/** How a socket came to its end. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  /** False when this side gave the socket up. */
  readonly isByPeer: boolean;
}

/** How the end of a socket reads in the error of the calls that it carried. */
export function textOfClosing({ code, reason, isByPeer }: Closing): string {
  const said = reason === "" ? "" : `: ${reason}`;
  if (!isByPeer) return code === 4408 ? "the connection does not answer" : `the socket was closed (${code}${said})`;
  if (code === 1001) return "the server shuts down";
  if (code === 1005 || code === 1006) return "the connection broke";
  return `the server closed the socket (${code}${said})`;
}
