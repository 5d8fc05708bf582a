import { create } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { StreamkitClient } from "@streamkit/client";
import { StreamkitError } from "@streamkit/client";
import {
  CommitCursorResponseSchema,
  DeleteCursorResponseSchema,
  GetCursorResponseSchema,
  GetLeaseResponseSchema,
  ListCursorsResponseSchema,
  ListLeasesResponseSchema,
  ListWorkersResponseSchema,
  ReleaseLeaseResponseSchema,
} from "@streamkit/protocol";
import type { Request, Response } from "@streamkit/protocol/conformance";
import { toCursorMessage, toLeaseMessage, toWorkerMessage } from "./sdk-wire.ts";

/** Performs a call about leases, cursors or workers through the SDK. Resolves to undefined for any other call. */
export async function callCoordination(
  client: StreamkitClient,
  request: Request["message"],
  signal: AbortSignal,
): Promise<Response["message"] | undefined> {
  return (
    (await callLeases(client, request, signal)) ??
    (await callCursors(client, request, signal)) ??
    (await listWorkers(client, request, signal))
  );
}

async function callLeases(
  client: StreamkitClient,
  request: Request["message"],
  signal: AbortSignal,
): Promise<Response["message"] | undefined> {
  switch (request.case) {
    case "acquireLease": {
      const { storeId, key, holder, ttl } = request.value;
      const lease = toLeaseMessage(
        await client.store(storeId).leases.acquire(key, holder, { ...millisOf("ttl", ttl), signal }),
      );
      return { case: "acquireLease", value: { $typeName: "streamkit.v1.AcquireLeaseResponse", lease } };
    }
    case "renewLease": {
      const { storeId, ttl, ...claim } = request.value;
      const lease = toLeaseMessage(
        await client.store(storeId).leases.renew(claim, { ...millisOf("ttl", ttl), signal }),
      );
      return { case: "renewLease", value: { $typeName: "streamkit.v1.RenewLeaseResponse", lease } };
    }
    case "releaseLease":
      await client.store(request.value.storeId).leases.release(request.value, { signal });
      return { case: "releaseLease", value: create(ReleaseLeaseResponseSchema) };
    case "getLease": {
      const lease = await client.store(request.value.storeId).leases.get(request.value.key, { signal });
      if (lease === undefined) throw notFound("lease");
      return { case: "getLease", value: create(GetLeaseResponseSchema, { lease: toLeaseMessage(lease) }) };
    }
    case "listLeases": {
      const { items, nextPageToken } = await client
        .store(request.value.storeId)
        .leases.list(listOptions(request.value, signal))
        .page();
      const value = { leases: items.map(toLeaseMessage), nextPageToken: nextPageToken ?? "" };
      return { case: "listLeases", value: create(ListLeasesResponseSchema, value) };
    }
    default:
      return undefined;
  }
}

async function callCursors(
  client: StreamkitClient,
  request: Request["message"],
  signal: AbortSignal,
): Promise<Response["message"] | undefined> {
  switch (request.case) {
    case "getCursor": {
      const cursor = await client.store(request.value.storeId).cursors.get(request.value.name, { signal });
      if (cursor === undefined) throw notFound("cursor");
      return { case: "getCursor", value: create(GetCursorResponseSchema, { cursor: toCursorMessage(cursor) }) };
    }
    case "commitCursor": {
      const { storeId, name, offsets, expectedVersion } = request.value;
      const options = expectedVersion === undefined ? { signal } : { expectedVersion, signal };
      const cursor = toCursorMessage(await client.store(storeId).cursors.commit(name, offsets, options));
      return { case: "commitCursor", value: create(CommitCursorResponseSchema, { cursor }) };
    }
    case "listCursors": {
      const { items, nextPageToken } = await client
        .store(request.value.storeId)
        .cursors.list(listOptions(request.value, signal))
        .page();
      const value = { cursors: items.map(toCursorMessage), nextPageToken: nextPageToken ?? "" };
      return { case: "listCursors", value: create(ListCursorsResponseSchema, value) };
    }
    case "deleteCursor":
      await client.store(request.value.storeId).cursors.delete(request.value.name, { signal });
      return { case: "deleteCursor", value: create(DeleteCursorResponseSchema) };
    default:
      return undefined;
  }
}

async function listWorkers(
  client: StreamkitClient,
  request: Request["message"],
  signal: AbortSignal,
): Promise<Response["message"] | undefined> {
  if (request.case !== "listWorkers") return undefined;
  const presence = client.store(request.value.storeId).presence(request.value.group);
  const { items, nextPageToken } = await presence.list(pageOptions(request.value, signal)).page();
  const value = { workers: items.map(toWorkerMessage), nextPageToken: nextPageToken ?? "" };
  return { case: "listWorkers", value: create(ListWorkersResponseSchema, value) };
}

/** Returns the SDK's options for a page of a list. */
export function pageOptions({ pageSize, pageToken }: { pageSize: number; pageToken: string }, signal: AbortSignal) {
  return { ...(pageSize !== 0 && { pageSize }), pageToken, signal };
}

/** Returns the SDK's options for a page of a list with a prefix. */
export function listOptions(request: { prefix: string; pageSize: number; pageToken: string }, signal: AbortSignal) {
  return { ...pageOptions(request, signal), prefix: request.prefix };
}

/** Returns a duration as an SDK option in milliseconds; no option if it is absent. */
export function millisOf<Name extends string>(name: Name, span: Duration | undefined): { [N in Name]?: number } {
  if (span === undefined) return {};
  return { [name]: Number(span.seconds) * 1_000 + span.nanos / 1_000_000 } as { [N in Name]?: number };
}

/** The error of the protocol for which the SDK returns `undefined`. */
function notFound(what: string): StreamkitError {
  return new StreamkitError("NOT_FOUND", "not_found", `there is no such ${what}`);
}
