/** The end of a socket. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
  /** False if this side gave the socket up. */
  readonly isByPeer: boolean;
}

/** Describes the end of a socket in the errors of its calls. */
export function textOfClosing({ code, reason, isByPeer }: Closing): string {
  const said = reason === "" ? "" : `: ${reason}`;
  if (!isByPeer) return code === 4408 ? "the connection does not answer" : `the socket was closed (${code}${said})`;
  if (code === 1001) return "the server shuts down";
  if (code === 1005 || code === 1006) return "the connection broke";
  return `the server closed the socket (${code}${said})`;
}
