import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Consumption, Entry, StreamkitClient } from "@streamkit/client";
import {
  type AppendRequest,
  ConsumeResponseSchema,
  type ConsumeSegmentRequest,
  ConsumeSegmentResponseSchema,
  type ConsumeSpaceRequest,
  ConsumeSpaceResponseSchema,
  GetServerInfoResponseSchema,
  ListSegmentsResponseSchema,
  ListSpacesResponseSchema,
  ListStoresResponseSchema,
  PeekResponseSchema,
  type ReadSegmentRequest,
  ReadSegmentResponseSchema,
  ReadSpaceResponseSchema,
} from "@streamkit/protocol";
import type { Request, Response } from "@streamkit/protocol/conformance";
import { callCoordination, listOptions, pageOptions } from "./sdk-coordination.ts";
import { watchSegments, watchWorkers } from "./sdk-subscriptions.ts";
import {
  toAppendResponse,
  toBudgetsMessage,
  toEntryBatch,
  toMicros,
  toSegmentStatusMessage,
  toSpaceStatusMessage,
} from "./sdk-wire.ts";

type Message = Response["message"];

/** Performs a request through the SDK as an application would. Yields the results as response messages. */
export async function* callSdk(
  client: StreamkitClient,
  request: Request["message"],
  signal: AbortSignal,
): AsyncGenerator<Message> {
  switch (request.case) {
    case "append":
      yield { case: "append", value: toAppendResponse(await append(client, request.value, signal)) };
      break;
    case "consumeSegment": {
      const { storeId, space, segment } = request.value;
      const entries = client
        .store(storeId)
        .space(space)
        .segment(segment)
        .consume(segmentOptions(request.value, signal));
      for await (const batches of pages(entries))
        yield { case: "consumeSegment", value: create(ConsumeSegmentResponseSchema, { batches }) };
      break;
    }
    case "consumeSpace": {
      const entries = client
        .store(request.value.storeId)
        .space(request.value.space)
        .consume(spaceOptions(request.value, signal));
      for await (const batches of pages(entries))
        yield { case: "consumeSpace", value: create(ConsumeSpaceResponseSchema, { batches }) };
      break;
    }
    case "consume": {
      const { storeId, spaces } = request.value;
      const entries = client.store(storeId).consume({ ...readOptions(request.value, signal), spaces });
      for await (const batches of pages(entries))
        yield { case: "consume", value: create(ConsumeResponseSchema, { batches }) };
      break;
    }
    case "subscribeToSegmentStatus":
      for await (const value of watchSegments(client, request.value, signal))
        yield { case: "subscribeToSegmentStatus", value };
      break;
    case "subscribeToWorkers":
      for await (const value of watchWorkers(client, request.value, signal))
        yield { case: "subscribeToWorkers", value };
      break;
    default:
      yield (await callCoordination(client, request, signal)) ?? (await unary(client, request, signal));
  }
}

async function unary(client: StreamkitClient, request: Request["message"], signal: AbortSignal): Promise<Message> {
  switch (request.case) {
    case "peek": {
      const { storeId, space, segment } = request.value;
      const entry = await client.store(storeId).space(space).segment(segment).peek({ signal });
      const value = entry === undefined ? {} : { entry: toEntryBatch(entry.batch, [entry]) };
      return { case: "peek", value: create(PeekResponseSchema, value) };
    }
    case "readSegment": {
      const { storeId, space, segment, minSequence, maxSequence } = request.value;
      const options = { ...singlePageOptions(request.value, signal), minSequence, maxSequence };
      const page = await client.store(storeId).space(space).segment(segment).read(options);
      const value = { batches: eachEntry(page.entries), nextSequence: BigInt(page.next), caughtUp: page.caughtUp };
      return { case: "readSegment", value: create(ReadSegmentResponseSchema, value) };
    }
    case "readSpace": {
      const { storeId, space, minOffset, maxOffset, segmentPrefix } = request.value;
      const options = { ...singlePageOptions(request.value, signal), minOffset, maxOffset, segmentPrefix };
      const page = await client.store(storeId).space(space).read(options);
      const value = { batches: eachEntry(page.entries), nextOffset: BigInt(page.next), caughtUp: page.caughtUp };
      return { case: "readSpace", value: create(ReadSpaceResponseSchema, value) };
    }
    case "getSegmentStatus": {
      const { storeId, space, segment } = request.value;
      const status = toSegmentStatusMessage(
        await client.store(storeId).space(space).segment(segment).status({ signal }),
      );
      return { case: "getSegmentStatus", value: { $typeName: "streamkit.v1.GetSegmentStatusResponse", status } };
    }
    case "getSpaceStatus": {
      const status = toSpaceStatusMessage(
        await client.store(request.value.storeId).space(request.value.space).status({ signal }),
      );
      return { case: "getSpaceStatus", value: { $typeName: "streamkit.v1.GetSpaceStatusResponse", status } };
    }
    case "trimSegment": {
      const { storeId, space, segment, beforeSequence } = request.value;
      const handle = client.store(storeId).space(space).segment(segment);
      const status = toSegmentStatusMessage(await handle.trim({ beforeSequence, signal }));
      return { case: "trimSegment", value: { $typeName: "streamkit.v1.TrimSegmentResponse", status } };
    }
    case "deleteSegment": {
      const { storeId, space, segment } = request.value;
      await client.store(storeId).space(space).segment(segment).delete({ signal });
      return { case: "deleteSegment", value: { $typeName: "streamkit.v1.DeleteSegmentResponse" } };
    }
    case "deleteSpace":
      await client.store(request.value.storeId).space(request.value.space).delete({ signal });
      return { case: "deleteSpace", value: { $typeName: "streamkit.v1.DeleteSpaceResponse" } };
    case "deleteStore":
      await client.store(request.value.storeId).delete({ signal });
      return { case: "deleteStore", value: { $typeName: "streamkit.v1.DeleteStoreResponse" } };
    case "getStore": {
      const { storeId } = await client.store(request.value.storeId).get({ signal });
      const store = { $typeName: "streamkit.v1.Store", storeId } as const;
      return { case: "getStore", value: { $typeName: "streamkit.v1.GetStoreResponse", store } };
    }
    default:
      return list(client, request, signal);
  }
}

async function list(client: StreamkitClient, request: Request["message"], signal: AbortSignal): Promise<Message> {
  switch (request.case) {
    case "listSpaces": {
      const { items, nextPageToken } = await client
        .store(request.value.storeId)
        .listSpaces(listOptions(request.value, signal))
        .page();
      const value = { spaces: items.map(toSpaceStatusMessage), nextPageToken: nextPageToken ?? "" };
      return { case: "listSpaces", value: create(ListSpacesResponseSchema, value) };
    }
    case "listSegments": {
      const space = client.store(request.value.storeId).space(request.value.space);
      const { items, nextPageToken } = await space.listSegments(listOptions(request.value, signal)).page();
      const value = { segments: items.map(toSegmentStatusMessage), nextPageToken: nextPageToken ?? "" };
      return { case: "listSegments", value: create(ListSegmentsResponseSchema, value) };
    }
    case "listStores": {
      const { items, nextPageToken } = await client.listStores(pageOptions(request.value, signal)).page();
      const value = { stores: items.map((storeId) => ({ storeId })), nextPageToken: nextPageToken ?? "" };
      return { case: "listStores", value: create(ListStoresResponseSchema, value) };
    }
    case "getServerInfo": {
      const { dedupeWindowMillis, capabilities, budgets, ...info } = await client.serverInfo({ signal });
      const value = {
        ...info,
        capabilities: [...capabilities],
        dedupeWindow: durationFromMs(dedupeWindowMillis),
        ...(budgets && { budgets: toBudgetsMessage(budgets) }),
      };
      return { case: "getServerInfo", value: create(GetServerInfoResponseSchema, value) };
    }
    default:
      throw new Error(`the SDK has no ${request.case}`);
  }
}

function append(client: StreamkitClient, request: AppendRequest, signal: AbortSignal) {
  const space = client.store(request.storeId).space(request.space);
  const appends = request.appends.map((each) => ({
    segment: each.segment,
    records: each.records.map(({ payload, metadata }) => ({ payload, metadata })),
    ...(each.expectedLastSequence === undefined ? {} : { expectedLastSequence: each.expectedLastSequence }),
    ...(each.fencingToken === undefined ? {} : { fencingToken: each.fencingToken }),
  }));
  const options = request.transactionId === "" ? { signal } : { transactionId: request.transactionId, signal };
  return space.append(appends, options);
}

/** Returns the options that all reads share. Absent fields give no option. */
function readOptions(
  request: Pick<ConsumeSegmentRequest, "minTime" | "maxTime" | "limit" | "follow" | "heartbeatInterval">,
  signal: AbortSignal,
) {
  const { heartbeatInterval: interval } = request;
  const minTime = toMicros(request.minTime);
  const maxTime = toMicros(request.maxTime);
  return {
    limit: request.limit,
    follow: request.follow,
    signal,
    ...(minTime && { minTime }),
    ...(maxTime && { maxTime }),
    ...(interval && { heartbeatInterval: Number(interval.seconds) * 1_000 + interval.nanos / 1_000_000 }),
  };
}

function singlePageOptions(
  request: Pick<ReadSegmentRequest, "minTime" | "maxTime" | "limit" | "backward" | "wait">,
  signal: AbortSignal,
) {
  const { wait, backward } = request;
  const { follow: _, ...options } = readOptions({ ...request, follow: false }, signal);
  return { ...options, backward, ...(wait && { wait: Number(wait.seconds) * 1_000 + wait.nanos / 1_000_000 }) };
}

/**
 * Returns each entry as a batch, in the order in which the application receives them. A backward read reverses the
 * order of a batch.
 */
function eachEntry(entries: readonly Entry[]) {
  return entries.map((entry) => toEntryBatch(entry.batch, [entry]));
}

function segmentOptions(request: ConsumeSegmentRequest, signal: AbortSignal) {
  const { minSequence, maxSequence, last } = request;
  return { ...readOptions(request, signal), minSequence, maxSequence, last };
}

function spaceOptions(request: ConsumeSpaceRequest, signal: AbortSignal) {
  const { minOffset, maxOffset, last, segmentPrefix } = request;
  return { ...readOptions(request, signal), minOffset, maxOffset, last, segmentPrefix };
}

async function* pages(consumption: Consumption<Uint8Array, unknown>) {
  for await (const page of consumption.pages()) yield page.batches.map((batch) => toEntryBatch(batch));
}
