/** Options of the buses that have a server. */
export interface RemoteBusOptions {
  /**
   * What the names of this deployment's channels begin with: letters, digits, "-", "_", ":" and single dots.
   * Deployments with different prefixes can share a server. Default: "streamkit".
   */
  readonly prefix?: string;
  /**
   * Told when the connection is made, and when it cannot be made or is lost: once for each change, not for each
   * attempt. The error says why and holds no secret. Must not throw.
   */
  readonly onStateChange?: (connected: boolean, error?: Error) => void;
  /**
   * How often the connection is proved to live, and how long the proof may take, in milliseconds: a server that is
   * silent for longer is given up, and connected to again. Default: 5,000.
   */
  readonly heartbeatMillis?: number;
}

/** As given, with defaults. */
export type CheckedOptions = Required<RemoteBusOptions>;

/** @throws TypeError for what cannot be used. */
export function checkOptions(options: RemoteBusOptions): CheckedOptions {
  const { prefix = "streamkit", onStateChange = () => {}, heartbeatMillis = 5_000 } = options;
  // Nothing that servers take for a wildcard, and no empty part between two dots, which NATS refuses.
  if (!/^[\w:-]+(\.[\w:-]+)*$/.test(prefix)) {
    throw new TypeError('prefix: expected letters, digits, "-", "_", ":" and single dots');
  }
  if (!(heartbeatMillis > 0 && heartbeatMillis <= 600_000)) {
    throw new TypeError("heartbeatMillis: expected a number from 1 to 600,000");
  }
  return { prefix, onStateChange, heartbeatMillis };
}
