import type { WebSocketLike } from "./platform.ts";
import type { HeldSocket } from "./process-hold.ts";

/** Opens a WebSocket. A page has no process that it could keep alive. */
export function openWithHold(open: () => WebSocketLike): HeldSocket {
  return { socket: open(), hold: () => {}, done: () => {} };
}
