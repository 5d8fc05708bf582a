import { creditFrame, encodeFrame, FrameKind } from "@streamkit/protocol/transport";
import type { FrameDeviation } from "./frame-deviations.ts";

/** So much that it never runs out. */
const ENDLESS = 2 ** 30;

/** A client whose WebSocket transport has one fault: the sound client behind a proxy. */
export interface FrameClient extends FrameDeviation {
  /** Ids of the cases that are likely to find the fault. */
  readonly cases: RegExp;
}

/** Every client with a broken transport. */
export const FRAME_CLIENTS: readonly FrameClient[] = [
  {
    name: "client overruns-credit",
    wrong: "sends beyond its credit",
    cases: /^SOCKET-CLIENT/,
    bends(ends) {
      ends.toClient(creditFrame(0, ENDLESS));
      return {
        fromClient({ kind, call, payload }) {
          if (kind !== FrameKind.REQUEST) return undefined;
          ends.toClient(creditFrame(call, ENDLESS));
          return [encodeFrame(kind, call, payload)];
        },
      };
    },
  },
  {
    name: "client keeps-credit",
    wrong: "gives the server no credit back",
    cases: /^SOCKET-CLIENT/,
    bends: () => ({ fromClient: ({ kind }) => (kind === FrameKind.CREDIT ? [] : undefined) }),
  },
  {
    name: "client leaves-calls-open",
    wrong: "does not end its calls when their socket breaks",
    cases: /^SOCKET-CLIENT/,
    bends: (ends) => ({
      hidesClose: true,
      fromClient({ kind, payload }) {
        if (kind !== FrameKind.PING) return undefined;
        ends.toClient(encodeFrame(FrameKind.PONG, 0, payload));
        return [];
      },
    }),
  },
];
