import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
  type SubscribeToWorkersRequest,
  type SubscribeToWorkersResponse,
  type Worker,
  type WorkerChanges,
  WorkerChangesSchema,
} from "@streamkit/protocol";
import { type Bends, bentTransport } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";
import { type Responses, respond, retold, stateOf } from "./retold-workers.ts";

/** A server or client with a fault in its handling of workers. */
export function bend(name: string, wrong: string, bends: (next: Transport) => Bends): Deviation {
  return { name, wrong, where: "presence", transport: (next) => bentTransport(next, bends(next)) };
}

/** Changes the responses of SubscribeToWorkers. */
export function events(change: (responses: Responses, request: SubscribeToWorkersRequest) => Responses): Bends {
  return {
    events: (responses, request) => {
      if (request.$typeName !== "streamkit.v1.SubscribeToWorkersRequest") return responses;
      return change(responses as Responses, request);
    },
  };
}

export function bendEvents(name: string, wrong: string, change: Parameters<typeof events>[0]): Deviation {
  return bend(name, wrong, () => events(change));
}

/** Changes the messages about workers. */
function bendChanges(name: string, wrong: string, change: (changes: WorkerChanges) => void): Deviation {
  return bendEvents(name, wrong, async function* (responses) {
    for await (const response of responses) {
      if (response.event.case === "changes") change(response.event.value);
      yield response;
    }
  });
}

/** Servers that break the rules of a subscription to workers. */
export const PRESENCE_STREAM_DEVIATIONS: readonly Deviation[] = [
  bendEvents("snapshot-only", "sends a snapshot and no changes", async function* (responses) {
    let live = false;
    for await (const response of responses) {
      if (!live || response.event.case !== "changes") yield response;
      live ||= response.event.case === "snapshotComplete";
    }
  }),
  bendEvents("lost-change", "loses the second change after the snapshot", async function* (responses) {
    let live = false;
    let changes = 0;
    for await (const response of responses) {
      const isLost = live && response.event.case === "changes" && ++changes === 2;
      if (!isLost) yield response;
      live ||= response.event.case === "snapshotComplete";
    }
  }),
  bendEvents("early-complete", "says that the snapshot is complete before it is", async function* (responses) {
    const held: SubscribeToWorkersResponse[] = [];
    let live = false;
    for await (const response of responses) {
      if (live) yield response;
      else if (response.event.case === "changes") held.push(response);
      else {
        live = true;
        yield response;
        yield* held;
      }
    }
  }),
  bendEvents("no-complete", "omits the mark of a complete snapshot", async function* (responses) {
    for await (const response of responses) if (response.event.case !== "snapshotComplete") yield response;
  }),
  bendEvents("everything-again", "sends everything again after each change", async function* (responses) {
    let all: Worker[] = [];
    let live = false;
    const noted = retold(responses, (workers) => {
      all = workers;
      return workers;
    });
    for await (const response of noted) {
      if (live && response.event.case === "changes") {
        yield respond({ case: "changes", value: create(WorkerChangesSchema, { snapshotStart: true, workers: all }) });
        yield respond({ case: "snapshotComplete", value: stateOf(all) });
      } else yield response;
      live ||= response.event.case === "snapshotComplete";
    }
  }),
  bendChanges("unmarked-snapshot", "omits the mark of the beginning of a snapshot", (changes) => {
    changes.snapshotStart = false;
  }),
  bendChanges("forgets-who-left", "reports workers that join and none that leave", (changes) => {
    changes.left = [];
  }),
  bendChanges("wrong-left", "gives another id for a worker that left", (changes) => {
    changes.left = changes.left.map((id) => `${id}-x`);
  }),
  bendChanges("counts-only", "reports the number of workers but not their digest", ({ state }) => {
    if (state !== undefined) state.digest = 0n;
  }),
  bendEvents("stale-heartbeat", "repeats in heartbeats that the group is empty", async function* (responses) {
    for await (const response of responses) {
      const isHeartbeat = response.event.case === "heartbeat";
      yield isHeartbeat ? respond({ case: "heartbeat", value: stateOf([]) }) : response;
    }
  }),
  bendEvents("late-inventory", "sends nothing until the group has a worker", async function* (responses) {
    const held: SubscribeToWorkersResponse[] = [];
    let begun = false;
    for await (const response of responses) {
      held.push(response);
      begun ||= response.event.case === "changes";
      if (begun) yield* held.splice(0);
    }
  }),
  bendEvents("no-repeats", "sends no heartbeats", async function* (responses) {
    for await (const response of responses) if (response.event.case !== "heartbeat") yield response;
  }),
  bendEvents("boundless-group", "accepts workers into a full group", async function* (responses) {
    try {
      yield* responses;
    } catch (error) {
      if (ConnectError.from(error).code !== Code.ResourceExhausted) throw error;
      yield respond({ case: "snapshotComplete", value: stateOf([]) });
    }
  }),
  bend("small-group", "has room for 500 workers in a group", () => {
    const counts = new Map<string, number>();
    return events(async function* (responses, { storeId, group, worker }) {
      const place = `${storeId}/${group}`;
      const count = counts.get(place) ?? 0;
      if (worker !== undefined && count >= 500) throw new ConnectError("the group is full", Code.ResourceExhausted);
      if (worker !== undefined) counts.set(place, count + 1);
      yield* responses;
    });
  }),
];
