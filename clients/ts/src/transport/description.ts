import type { Transport } from "@connectrpc/connect";
import { checkArgument, oneOf } from "../options.ts";

/** What the client must know about a transport to use it at its best. */
export interface TransportDescription {
  /** Encoding of messages: with `binary`, entries stay encoded bytes until the application looks at them. */
  readonly format: "binary" | "json";
  /**
   * True when a call can send and receive at the same time, which Produce needs: HTTP/2, WebSocket, in-process. A
   * function where that depends on the server: it is asked before each Produce session, and may connect to find out.
   */
  readonly duplex: boolean | (() => boolean | Promise<boolean>);
  /**
   * Called when a stream fell silent for longer than its heartbeats allow: checks the connection, and drops it when it
   * is dead. Without it a new stream may end up on the same dead connection.
   */
  readonly probe?: () => void;
  /**
   * Protocol of new calls, such as `websocket` or `fetch`; `undefined` while a transport that chooses has not chosen
   * yet.
   */
  readonly protocol?: () => string | undefined;
  /** Where calls go, for the texts of errors: a URL. */
  readonly address?: string;
  /**
   * Called when a call got no answer, and nothing was ever heard from the server: resolves with what is wrong for good
   * and what to do, or with `undefined` when it may be an outage.
   */
  readonly diagnose?: (failure: Error) => Promise<string | undefined>;
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
  checkArgument("describeTransport", "description.format", description?.format, oneOf("binary", "json"));
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
