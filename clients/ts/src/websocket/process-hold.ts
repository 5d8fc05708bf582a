import type { WebSocketLike } from "./platform.ts";

/** Lets a socket keep the process alive, or not. */
export type ProcessHold = (held: boolean) => void;

interface NodeSocket {
  readonly localPort?: number;
  ref(): void;
  unref(): void;
}

interface Channels {
  subscribe(name: string, listener: (message: unknown) => void): void;
  unsubscribe(name: string, listener: (message: unknown) => void): void;
}

const NEW_REQUEST = "undici:client:sendHeaders";
const OPEN_SOCKET = "undici:websocket:open";

/** A WebSocket that is about to open. */
export interface HeldSocket {
  readonly socket: WebSocketLike;
  readonly hold: ProcessHold;
  /** Must be called after the socket has opened, or has failed to. */
  done(): void;
}

/**
 * Opens a WebSocket that can let the process end. This needs the TCP socket below it, which Node.js shows on its
 * diagnostics channels. On other platforms, and for a WebSocket of the application, it has no effect. Bundles for
 * browsers have `process-hold.browser.ts` in its place.
 */
export function openWithHold(open: () => WebSocketLike): HeldSocket {
  const channels = diagnostics();
  if (channels === undefined) return { socket: open(), hold: () => {}, done: () => {} };
  const connections = new Map<number, NodeSocket>();
  let below: NodeSocket | undefined;
  let latest: NodeSocket | undefined;
  let isHeld = true;
  const apply = () => (isHeld ? below?.ref() : below?.unref());
  const onRequest = (message: unknown) => {
    const { socket, headers } = message as { socket?: NodeSocket; headers?: unknown };
    if (socket?.localPort !== undefined && /^upgrade: websocket\r$/im.test(String(headers))) {
      connections.set(socket.localPort, socket);
    }
  };
  const onOpen = (message: unknown) => {
    const { websocket, address } = message as { websocket?: unknown; address?: { port?: number } };
    const opened = connections.get(address?.port ?? 0);
    if (websocket === undefined) latest = opened;
    if (websocket !== socket) return;
    below = opened;
    apply();
  };
  channels.subscribe(NEW_REQUEST, onRequest);
  channels.subscribe(OPEN_SOCKET, onOpen);
  const done = () => {
    channels.unsubscribe(NEW_REQUEST, onRequest);
    channels.unsubscribe(OPEN_SOCKET, onOpen);
    connections.clear();
  };
  let socket: WebSocketLike | undefined;
  try {
    socket = open();
  } catch (thrown) {
    done();
    throw thrown;
  }
  // Node.js 22 names no WebSocket, and tells of it right before this event. Later versions name it, right after.
  socket.addEventListener("open", () => {
    below ??= latest;
    apply();
  });
  const hold = (held: boolean) => {
    isHeld = held;
    apply();
  };
  return { socket, hold, done };
}

function diagnostics(): Channels | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  return process?.getBuiltinModule?.("node:diagnostics_channel") as Channels | undefined;
}
