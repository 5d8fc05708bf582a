import type { Transport } from "@connectrpc/connect";
import { checkArgument, oneOf } from "../options.ts";

/** The properties of a transport that decide how the client uses it. */
export interface TransportDescription {
  /** Encoding of messages. With `binary`, entries stay encoded until the application looks at them. */
  readonly format: "binary" | "json";
  /**
   * True if a call can send and receive at the same time, which Produce needs: HTTP/2, WebSocket, in-process. Give a
   * function if it depends on the server. The client calls it before each Produce session; it may connect to find out.
   */
  readonly duplex: boolean | (() => boolean | Promise<boolean>);
  /**
   * Checks the connection, and drops a dead one. The client calls it when a stream is silent for longer than its
   * heartbeats allow. Without it a new stream may use the same dead connection.
   */
  readonly probe?: () => void;
  /**
   * Names the protocol of new calls, such as `websocket` or `fetch`; `undefined` while the transport has not chosen
   * yet.
   */
  readonly protocol?: () => string | undefined;
  /** URL of the server, for the messages of errors. */
  readonly address?: string;
  /**
   * Looks for a lasting reason of a failure. Resolves with a message that says what is wrong and what to do, or with
   * `undefined` for a possible outage. The client calls it after a call without an answer, if the server has never
   * answered any.
   */
  readonly diagnose?: (failure: Error) => Promise<string | undefined>;
}

/**
 * A registered symbol, so that other packages, such as a server with an in-process transport, can describe their
 * transports without an import of this one.
 */
const DESCRIPTION: unique symbol = Symbol.for("streamkit.transport-description");

/**
 * Returns a copy of a transport with a description. The transports of this package have one already. Any other
 * transport needs a description to be fast: without one, the client assumes JSON messages and no duplex.
 *
 * @throws StreamkitError INVALID_FIELD if `format` is neither "binary" nor "json"
 */
export function describeTransport(transport: Transport, description: TransportDescription): Transport {
  checkArgument("describeTransport", "description.format", description?.format, oneOf("binary", "json"));
  const described: Transport & { [DESCRIPTION]: TransportDescription } = {
    unary: (...call) => transport.unary(...call),
    stream: (...call) => transport.stream(...call),
    [DESCRIPTION]: description,
  };
  return described;
}

/** The description of a transport; `undefined` if it has none. */
export function transportDescription(transport: Transport): TransportDescription | undefined {
  return (transport as { [DESCRIPTION]?: TransportDescription })[DESCRIPTION];
}
