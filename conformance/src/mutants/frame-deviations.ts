import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { creditFrame, encodeFrame, type Frame, FrameKind, ResultSchema } from "@streamkit/protocol/transport";
import type { Ends, FrameBends, FrameProxyOptions } from "./frame-proxy.ts";

/** A server whose WebSocket transport has one fault. */
export interface FrameDeviation {
  readonly name: string;
  readonly wrong: string;
  readonly bends?: (ends: Ends) => FrameBends;
  readonly upgrade?: FrameProxyOptions["upgrade"];
}

/** So much that it never runs out, and that credit of the client still fits on top. */
const ENDLESS = 2 ** 30;
const encoded = ({ kind, call, payload }: Frame): Uint8Array => encodeFrame(kind, call, payload);
const success = toBinary(ResultSchema, create(ResultSchema));

function dropping(drops: (frame: Frame) => boolean): (ends: Ends) => FrameBends {
  return () => ({ fromServer: (frame) => (drops(frame) ? [] : undefined) });
}

/** Every server with a broken transport. */
export const FRAME_DEVIATIONS: readonly FrameDeviation[] = [
  {
    name: "endless-call-credit",
    wrong: "sends beyond the credit of a call",
    bends: () => ({
      fromClient: (frame) =>
        frame.kind === FrameKind.REQUEST ? [encoded(frame), creditFrame(frame.call, ENDLESS)] : undefined,
    }),
  },
  {
    name: "endless-socket-credit",
    wrong: "sends beyond the credit of the socket",
    bends(ends) {
      ends.toServer(creditFrame(0, ENDLESS));
      return {};
    },
  },
  {
    name: "kept-call-credit",
    wrong: "gives no credit back to calls",
    bends: dropping(({ kind, call }) => kind === FrameKind.CREDIT && call !== 0),
  },
  {
    name: "kept-socket-credit",
    wrong: "gives no credit back to the socket",
    bends: dropping(({ kind, call }) => kind === FrameKind.CREDIT && call === 0),
  },
  {
    name: "mixed-chunks",
    wrong: "begins a message of a call inside another one",
    bends() {
      const held = new Map<number, Uint8Array>();
      return {
        fromServer(frame) {
          const { kind, call } = frame;
          const before = held.get(call);
          held.delete(call);
          if (kind === FrameKind.NEXT) held.set(call, encoded(frame));
          if (kind === FrameKind.NEXT) return before === undefined ? [] : [before];
          if (before === undefined) return undefined;
          return kind === FrameKind.FIRST ? [encoded(frame), before] : [before, encoded(frame)];
        },
      };
    },
  },
  {
    name: "answers-reset",
    wrong: "answers a call that the client has ended",
    bends: (ends) => ({
      fromClient(frame) {
        if (frame.kind === FrameKind.RESET) ends.toClient(encodeFrame(FrameKind.RESULT, frame.call, success));
        return undefined;
      },
    }),
  },
  {
    name: "two-results",
    wrong: "ends a call twice",
    bends: () => ({
      fromServer: (frame) => (frame.kind === FrameKind.RESULT ? [encoded(frame), encoded(frame)] : undefined),
    }),
  },
  {
    name: "lost-results",
    wrong: "ends streams without RESULT",
    bends: dropping(({ kind, payload }) => kind === FrameKind.RESULT && payload.length === 0),
  },
  {
    name: "silent-goaway",
    wrong: "stops without GOAWAY",
    bends: dropping(({ kind }) => kind === FrameKind.GOAWAY),
  },
  {
    name: "serves-after-goaway",
    wrong: "refuses no call after GOAWAY",
    bends() {
      let gone = false;
      return {
        fromServer({ kind, call, payload }) {
          gone ||= kind === FrameKind.GOAWAY;
          if (!gone || kind !== FrameKind.RESULT) return undefined;
          const refused = fromBinary(ResultSchema, payload).status !== undefined;
          return refused ? [encodeFrame(FrameKind.RESULT, call, success)] : undefined;
        },
      };
    },
  },
  {
    name: "foreign-origins",
    wrong: "opens sockets for foreign pages",
    upgrade: (headers) => {
      delete headers.origin;
    },
  },
  {
    name: "ids-go-down",
    wrong: "accepts an id below the latest",
    bends() {
      let latest = 0;
      return {
        fromClient({ kind, call }) {
          const down = kind === FrameKind.REQUEST && call <= latest;
          if (kind === FrameKind.REQUEST) latest = Math.max(latest, call);
          return down ? [encodeFrame(FrameKind.PONG, 0, new Uint8Array())] : undefined;
        },
      };
    },
  },
  {
    name: "closes-for-one-call",
    wrong: "closes the socket for a request that should fail alone",
    bends: (ends) => ({
      fromServer({ kind, payload }) {
        if (kind === FrameKind.RESULT && fromBinary(ResultSchema, payload).status !== undefined) ends.close(4400);
        return undefined;
      },
    }),
  },
  {
    name: "counts-ended-calls",
    wrong: "counts calls that have ended among the open ones",
    bends: (ends) => ({
      fromClient({ kind, call }) {
        if (kind === FrameKind.REQUEST && call > 11_000) ends.close(4429);
        return undefined;
      },
    }),
  },
  { name: "no-pong", wrong: "answers no PING", bends: dropping(({ kind }) => kind === FrameKind.PONG) },
];
