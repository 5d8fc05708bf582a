import { setTimeout } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type {
  AppendRequest,
  SubscribeToSegmentStatusRequest,
  SubscribeToSegmentStatusResponse,
} from "@streamkit/protocol";
import { type SegmentStatus, SegmentStatusSchema, SubscribeToSegmentStatusResponseSchema } from "@streamkit/protocol";
import { type Bends, bentTransport } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

type Responses = AsyncIterable<SubscribeToSegmentStatusResponse>;

function bend(name: string, wrong: string, bends: Bends): Deviation {
  return { name, wrong, where: "watch", transport: (next) => bentTransport(next, bends) };
}

/** A deviation in the responses of a status subscription. */
function bendEvents(
  name: string,
  wrong: string,
  change: (responses: Responses, request: SubscribeToSegmentStatusRequest) => Responses,
): Deviation {
  return bend(name, wrong, {
    events: (responses, request) => {
      if (request.$typeName !== "streamkit.v1.SubscribeToSegmentStatusRequest") return responses;
      return change(responses as Responses, request);
    },
  });
}

/** A deviation in the request of a status subscription. */
function bendRequest(
  name: string,
  wrong: string,
  change: (request: SubscribeToSegmentStatusRequest) => void,
): Deviation {
  return bend(name, wrong, {
    request(rpc, message) {
      if (rpc === "SubscribeToSegmentStatus") change(message as SubscribeToSegmentStatusRequest);
    },
  });
}

/**
 * A deviation that drops the statuses for which `isLost` returns true; `before` is the previous status of the same
 * segment.
 */
function losing(
  name: string,
  wrong: string,
  isLost: (status: SegmentStatus, before: SegmentStatus | undefined, live: boolean) => boolean,
): Deviation {
  return bendEvents(name, wrong, async function* (responses) {
    const sent = new Map<string, SegmentStatus>();
    let live = false;
    for await (const response of responses) {
      const { event } = response;
      live ||= event.case === "snapshotComplete";
      if (event.case === "status" && isLost(event.value, sent.get(event.value.segment), live)) continue;
      if (event.case === "status") sent.set(event.value.segment, event.value);
      yield response;
    }
  });
}

function statusResponse(value: SegmentStatus): SubscribeToSegmentStatusResponse {
  return create(SubscribeToSegmentStatusResponseSchema, { event: { case: "status", value } });
}

/** Reports every append to a store to every subscriber of the store, regardless of the space. */
function leaking(): Bends {
  const subscribers = new Set<{ readonly storeId: string; hear: (status: SegmentStatus) => void }>();
  return {
    appended(_, { storeId, space, appends }: AppendRequest) {
      for (const each of subscribers) {
        if (each.storeId !== storeId) continue;
        for (const { segment } of appends) each.hear(create(SegmentStatusSchema, { space, segment }));
      }
    },
    async *events(responses, request) {
      const heard: SegmentStatus[] = [];
      const subscriber = { storeId: request.storeId, hear: (status: SegmentStatus) => void heard.push(status) };
      subscribers.add(subscriber);
      try {
        for await (const response of responses) {
          for (const status of heard.splice(0)) {
            if ("segment" in request && request.space !== status.space) yield statusResponse(status);
          }
          yield response;
        }
      } finally {
        subscribers.delete(subscriber);
      }
    },
  };
}

/** Servers with faults in status subscriptions. */
export const WATCH_DEVIATIONS: readonly Deviation[] = [
  bendEvents("no-snapshot-mark", "omits the mark of a complete snapshot", async function* (responses) {
    for await (const response of responses) if (response.event.case !== "snapshotComplete") yield response;
  }),
  bendEvents("mark-twice", "marks the end of the snapshot again after the first change", async function* (responses) {
    let mark: SubscribeToSegmentStatusResponse | undefined;
    for await (const response of responses) {
      yield response;
      if (mark !== undefined && response.event.case === "status") {
        yield mark;
        mark = undefined;
      }
      if (response.event.case === "snapshotComplete") mark = response;
    }
  }),
  bendEvents("early-mark", "marks the end of the snapshot before the snapshot", async function* (responses) {
    const snapshot: SubscribeToSegmentStatusResponse[] = [];
    let live = false;
    for await (const response of responses) {
      if (live) yield response;
      else if (response.event.case === "status") snapshot.push(response);
      else {
        live = true;
        yield response;
        yield* snapshot;
      }
    }
  }),
  bendEvents("reversed-snapshot", "sends the snapshot backwards", async function* (responses) {
    const snapshot: SubscribeToSegmentStatusResponse[] = [];
    let live = false;
    for await (const response of responses) {
      if (!live && response.event.case === "status") snapshot.unshift(response);
      else {
        live = true;
        yield* snapshot.splice(0);
        yield response;
      }
    }
  }),
  bendEvents("snapshot-misses-last", "leaves the last segment out of the snapshot", async function* (responses) {
    let last: SubscribeToSegmentStatusResponse | undefined;
    let live = false;
    for await (const response of responses) {
      live ||= response.event.case === "snapshotComplete";
      if (live) yield response;
      else {
        if (last !== undefined) yield last;
        last = response;
      }
    }
  }),
  bendEvents("snapshot-only", "ends when the snapshot is complete", async function* (responses) {
    for await (const response of responses) {
      yield response;
      if (response.event.case === "snapshotComplete") return;
    }
  }),
  losing("unheard-of-segments", "reports changes only of segments in the snapshot", (_, before, live) => {
    return live && before === undefined;
  }),
  losing("lost-hand-over-status", "loses the first change of each segment", (status, before, live) => {
    return live && before !== undefined && before.lastSequence + 1n === status.lastSequence;
  }),
  losing("quiet-trims", "does not report trims", ({ firstSequence, lastSequence }, before) => {
    return before !== undefined && firstSequence > before.firstSequence && firstSequence <= lastSequence;
  }),
  losing("quiet-deletes", "does not report segments that became empty", (status, before) => {
    return before !== undefined && status.firstSequence > status.lastSequence;
  }),
  losing("nothing-of-nothing", "does not report a segment that was never written", ({ lastSequence }) => {
    return lastSequence === 0n;
  }),
  bendEvents("stale-status", "repeats the old status after each change", async function* (responses) {
    const sent = new Map<string, SubscribeToSegmentStatusResponse>();
    for await (const response of responses) {
      yield response;
      if (response.event.case !== "status") continue;
      const before = sent.get(response.event.value.segment);
      sent.set(response.event.value.segment, response);
      if (before !== undefined) yield before;
    }
  }),
  bendEvents("status-without-offset", "leaves offsets and times out of statuses", async function* (responses) {
    for await (const response of responses) {
      if (response.event.case === "status") {
        const { space, segment, firstSequence, lastSequence } = response.event.value;
        yield statusResponse(create(SegmentStatusSchema, { space, segment, firstSequence, lastSequence }));
      } else yield response;
    }
  }),
  bendEvents("no-status-heartbeat", "sends no heartbeats", async function* (responses) {
    for await (const response of responses) if (response.event.case !== "heartbeat") yield response;
  }),
  bendRequest("restless-heartbeat", "sends a heartbeat every 100 ms", (request) => {
    if (request.heartbeatInterval === undefined) {
      request.heartbeatInterval = { $typeName: "google.protobuf.Duration", seconds: 0n, nanos: 100_000_000 };
    }
  }),
  bendRequest("ignored-status-segment", "ignores the segment and reports all segments", (request) => {
    request.segment = "";
  }),
  bendRequest("ignored-status-prefix", "ignores the prefix of a status subscription", (request) => {
    request.segmentPrefix = "";
  }),
  bendRequest("prefix-for-segment", "treats the name of a segment as a prefix", (request) => {
    if (request.segmentPrefix === "") {
      request.segmentPrefix = request.segment;
      request.segment = "";
    }
  }),
  bendEvents(
    "subscription-outlives-store",
    "does not end a subscription when its store is deleted",
    async function* (responses) {
      try {
        yield* responses;
      } catch (error) {
        if (ConnectError.from(error).code !== Code.NotFound) throw error;
        // Longer than any case waits.
        await setTimeout(60_000, undefined, { ref: false });
      }
    },
  ),
  {
    ...bend("leaking-statuses", "reports appends to other spaces", {}),
    transport: (next) => bentTransport(next, leaking()),
  },
];
