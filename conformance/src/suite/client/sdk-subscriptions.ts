import { create } from "@bufbuild/protobuf";
import type { Inventory, StreamkitClient } from "@streamkit/client";
import { StreamkitError } from "@streamkit/client";
import {
  GroupStateSchema,
  type SubscribeToSegmentStatusRequest,
  type SubscribeToSegmentStatusResponse,
  SubscribeToSegmentStatusResponseSchema,
  type SubscribeToWorkersRequest,
  type SubscribeToWorkersResponse,
  SubscribeToWorkersResponseSchema,
  WorkerChangesSchema,
} from "@streamkit/protocol";
import { millisOf } from "./sdk-coordination.ts";
import { toSegmentStatusMessage, toWorkerMessage } from "./sdk-wire.ts";
import { SendQueue } from "./send-queue.ts";

const WORKERS_PER_RESPONSE = 100;

/** Watches segments through the SDK. A new subscription shows only as a further snapshot. */
export async function* watchSegments(
  client: StreamkitClient,
  request: SubscribeToSegmentStatusRequest,
  signal: AbortSignal,
): AsyncGenerator<SubscribeToSegmentStatusResponse> {
  const space = client.store(request.storeId).space(request.space);
  const options = { ...millisOf("heartbeatInterval", request.heartbeatInterval), signal };
  const events =
    request.segment === ""
      ? space.subscribe({ ...options, prefix: request.segmentPrefix })
      : space.segment(request.segment).subscribe(options);
  for await (const event of events) {
    if (event.kind === "status") {
      const value = toSegmentStatusMessage(event.status);
      yield create(SubscribeToSegmentStatusResponseSchema, { event: { case: "status", value } });
    } else if (event.kind === "live") {
      yield create(SubscribeToSegmentStatusResponseSchema, { event: { case: "snapshotComplete", value: {} } });
    }
  }
  throwIfCanceled(signal);
}

/** Watches workers through the SDK, either as one of them or as an observer. */
export async function* watchWorkers(
  client: StreamkitClient,
  request: SubscribeToWorkersRequest,
  signal: AbortSignal,
): AsyncGenerator<SubscribeToWorkersResponse> {
  const presence = client.store(request.storeId).presence(request.group);
  const options = { ...millisOf("interval", request.interval), signal };
  const inventories = new SendQueue<Inventory>();
  const onChange = (workers: Inventory): void => inventories.push(workers);
  if (request.worker === undefined) {
    for await (const workers of presence.watch(options)) yield* toResponses(workers);
  } else {
    const { id, metadata } = request.worker;
    await using membership = presence.join({ ...options, id, metadata, onChange });
    const ended = membership.ended.finally(() => inventories.end());
    ended.catch(() => {});
    for await (const workers of inventories) yield* toResponses(workers);
    await ended;
  }
  throwIfCanceled(signal);
}

/**
 * Converts an inventory into the responses of a snapshot. The first response comes once the snapshot is complete. Each
 * response has at most WORKERS_PER_RESPONSE workers.
 */
function* toResponses(workers: Inventory): Generator<SubscribeToWorkersResponse> {
  for (let at = 0; at === 0 || at < workers.length; at += WORKERS_PER_RESPONSE) {
    const part = workers.slice(at, at + WORKERS_PER_RESPONSE).map(toWorkerMessage);
    const value = create(WorkerChangesSchema, { snapshotStart: at === 0, workers: part });
    yield create(SubscribeToWorkersResponseSchema, { event: { case: "changes", value } });
  }
  const digest = workers.reduce((sum, { registration }) => sum ^ registration, 0n);
  const value = create(GroupStateSchema, { workerCount: workers.length, digest });
  yield create(SubscribeToWorkersResponseSchema, { event: { case: "snapshotComplete", value } });
}

/** A subscription that its signal ends finishes without an error, but the equivalent call ends with CANCELED. */
function throwIfCanceled(signal: AbortSignal): void {
  if (signal.aborted) throw new StreamkitError("CANCELED", "canceled", "the subscription was closed");
}
