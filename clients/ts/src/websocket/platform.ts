/** The parts of a WebSocket that the transport uses. Browsers, Node.js, Deno, Bun and the package `ws` have them. */
export interface WebSocketLike {
  binaryType: string;
  /** The subprotocol that the server chose. */
  readonly protocol: string;
  /** Bytes that have not left yet. */
  readonly bufferedAmount: number;
  /** Sends a message. `data` is a view of a larger buffer that the transport goes on using: do not transfer it. */
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { code: number; reason: string }) => void): void;
}

/** Opens a WebSocket with a subprotocol. */
export type OpenWebSocket = (url: string, protocol: string) => WebSocketLike;

/** Opens a WebSocket of the platform. */
export const platformWebSocket: OpenWebSocket = (url, protocol) => new WebSocket(url, protocol);

/** Milliseconds of a clock that is never set. */
export function now(): number {
  return performance.now();
}

/** A timer that does not keep a process of Node.js alive. */
export function quietTimer(callback: () => void, millis: number): ReturnType<typeof setTimeout> {
  const timer = setTimeout(callback, millis);
  (timer as { unref?: () => void }).unref?.();
  return timer;
}
