/** Options of the buses that connect to a server. */
export interface RemoteBusOptions {
  /**
   * Prefix of the channel names of this deployment: letters, digits, "-", "_", ":" and single dots. Deployments with
   * different prefixes can share a server. Default: "streamkit".
   */
  readonly prefix?: string;
  /**
   * Called when the connection is established, and when it fails or is lost: once per change, not once per attempt. The
   * error gives the reason and holds no secret. Must not throw.
   */
  readonly onStateChange?: (connected: boolean, error?: Error) => void;
  /**
   * Milliseconds between two probes of the connection, and also the time limit for the answer to a probe. The bus drops
   * a connection whose server stays silent longer, and connects again. From 1 to 600,000; default: 5,000.
   */
  readonly heartbeatMillis?: number;
}

/** The given options, with defaults. */
export type CheckedOptions = Required<RemoteBusOptions>;

/** @throws TypeError for an invalid option; the message names it */
export function checkOptions(options: RemoteBusOptions): CheckedOptions {
  const { prefix = "streamkit", onStateChange = () => {}, heartbeatMillis = 5_000 } = options;
  // Excludes characters that a server reads as wildcards, and empty parts between dots, which NATS refuses.
  if (!/^[\w:-]+(\.[\w:-]+)*$/.test(prefix)) {
    throw new TypeError('prefix: expected letters, digits, "-", "_", ":" and single dots');
  }
  if (!(heartbeatMillis > 0 && heartbeatMillis <= 600_000)) {
    throw new TypeError("heartbeatMillis: expected a number from 1 to 600,000");
  }
  return { prefix, onStateChange, heartbeatMillis };
}
