import type { Transport } from "@connectrpc/connect";

/** What the client must know about a transport to use it at its best. */
export interface TransportDescription {
  /** Encoding of messages: with `binary`, entries stay encoded bytes until the application looks at them. */
  readonly format: "binary" | "json";
  /** True when a call can send and receive at the same time, which Produce needs: HTTP/2, WebSocket, in-process. */
  readonly duplex: boolean;
  /**
   * Called when a stream fell silent for longer than its heartbeats allow: checks the connection, and drops it when it is
   * dead. Without it a new stream may end up on the same dead connection.
   */
  readonly probe?: () => void;
}

/**
 * Well-known on purpose: a package that makes transports (such as a server's in-process one) can describe them without
 * importing this one.
 */
const key: unique symbol = Symbol.for("streamkit.transport-description");

/**
 * Tells the client what a transport can do: returns one that behaves the same and carries the description. Not needed
 * for the transports that this package makes; for any other it makes the difference between the safe and the fast way.
 */
export function describeTransport(transport: Transport, description: TransportDescription): Transport {
  const described: Transport & { [key]: TransportDescription } = {
    unary: (...call) => transport.unary(...call),
    stream: (...call) => transport.stream(...call),
    [key]: description,
  };
  return described;
}

/** What is known about a transport; `undefined` for one that nobody described. */
export function transportDescription(transport: Transport): TransportDescription | undefined {
  return (transport as { [key]?: TransportDescription })[key];
}
