import { create } from "@bufbuild/protobuf";
import type { Inventory, StreamkitClient } from "@streamkit/client";
import { StreamkitError } from "@streamkit/client";
import {
  type SubscribeToSegmentStatusRequest,
  type SubscribeToSegmentStatusResponse,
  SubscribeToSegmentStatusResponseSchema,
  type SubscribeToWorkersRequest,
  type SubscribeToWorkersResponse,
  SubscribeToWorkersResponseSchema,
} from "@streamkit/protocol";
import { millisOf } from "./sdk-coordination.ts";
import { toSegmentStatusMessage, toWorkerMessage } from "./sdk-wire.ts";
import { SendQueue } from "./send-queue.ts";

/** Watches segments through the SDK. That it subscribed again shows in nothing but a further snapshot. */
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

/** Watches workers through the SDK, as one of them or not. */
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
    for await (const workers of presence.watch(options)) yield toResponse(workers);
  } else {
    const { id, metadata } = request.worker;
    await using membership = presence.join({ ...options, id, metadata, onChange });
    const ended = membership.ended.finally(() => inventories.end());
    ended.catch(() => {});
    for await (const workers of inventories) yield toResponse(workers);
    await ended;
  }
  throwIfCanceled(signal);
}

function toResponse(workers: Inventory): SubscribeToWorkersResponse {
  return create(SubscribeToWorkersResponseSchema, { workers: workers.map(toWorkerMessage) });
}

/** A subscription that its signal ends is over without an error; the call that it stands for was canceled. */
function throwIfCanceled(signal: AbortSignal): void {
  if (signal.aborted) throw new StreamkitError("CANCELED", "canceled", "the subscription was closed");
}
