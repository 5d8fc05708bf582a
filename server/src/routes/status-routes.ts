import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type {
  SegmentStatusSchema,
  SpaceStatusSchema,
  StreamService,
  SubscribeToSegmentStatusRequest,
  SubscribeToSegmentStatusResponseSchema,
} from "@streamkit/protocol";
import { principalKey } from "../access/gate.ts";
import type { NameLimit } from "../access/grant.ts";
import { checkName, checkPrefix, checkUuid, type Listed } from "../engine/names.ts";
import type { OpenStore } from "../engine/open-store.ts";
import { firstBatchFrom } from "../engine/read/read-space.ts";
import { DeleteSegmentMutation, DeleteSpaceMutation, TrimMutation } from "../engine/removal/trim.ts";
import type { SegmentHead, SpaceHead } from "../engine/rows/heads.ts";
import type { SpaceLog } from "../engine/space/space-log.ts";
import { type StatusEvent, watchStatus } from "../engine/space/watch-status.ts";
import { invalidField } from "../errors.ts";
import { checkAll } from "./checks.ts";
import { grantedNames } from "./granted-names.ts";
import { bytesOfTexts, Paging } from "./list-page.ts";
import { toHeartbeatMillis, toPosition } from "./request-fields.ts";
import type { Stores } from "./stores.ts";
import { timestampOrAbsent } from "./times.ts";

/** The RPCs of StreamService about spaces and segments. */
export type StatusImplementation = Pick<
  ServiceImpl<typeof StreamService>,
  | "listSpaces"
  | "listSegments"
  | "getSpaceStatus"
  | "getSegmentStatus"
  | "subscribeToSegmentStatus"
  | "trimSegment"
  | "deleteSegment"
  | "deleteSpace"
>;

export function statusRoutes(stores: Stores): StatusImplementation {
  return {
    async listSpaces(request, { values }) {
      const { prefix, paging } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        prefix: () => checkPrefix(request.prefix, "prefix"),
        paging: () => new Paging(request, "spaces", request.storeId.toLowerCase(), request.prefix),
      });
      const grants = values.get(principalKey)?.grants;
      const limits = grants?.spaceLimits("read", request.storeId);
      const { items, nextPageToken } = await stores.call(request.storeId, (store) =>
        paging.take(
          listed(limits, prefix, paging, (prefix, atOnce) => store.listSpaces(prefix, paging.after, atOnce)),
          ({ space }) => statusBytes(space, ""),
        ),
      );
      // The numbers of a space tell about all its segments.
      const seesNumbers = (space: string) => grants?.allows("read", request.storeId, space) ?? true;
      const spaces = items.map(({ space, head }) => (seesNumbers(space) ? spaceStatus(space, head) : { space }));
      return { spaces, nextPageToken };
    },

    async listSegments(request, { values }) {
      const { space, prefix, paging } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        prefix: () => checkPrefix(request.prefix, "prefix"),
        paging: () => new Paging(request, "segments", request.storeId.toLowerCase(), request.space, request.prefix),
      });
      const limits = values.get(principalKey)?.grants.segmentLimits("read", request.storeId, space);
      const { items, nextPageToken } = await stores.call(request.storeId, (store) =>
        paging.take(
          listed(limits, prefix, paging, (prefix, atOnce) => store.listSegments(space, prefix, paging.after, atOnce)),
          ({ segment }) => statusBytes(space, segment),
        ),
      );
      return { segments: items.map(({ segment, head }) => segmentStatus(space, segment, head)), nextPageToken };
    },

    async getSpaceStatus(request) {
      const { space } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
      });
      const head = await stores.call(request.storeId, (store) => spaceHead(store.space(space)));
      return { status: spaceStatus(space, head) };
    },

    async getSegmentStatus(request) {
      const { space, segment } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        segment: () => checkName(request.segment, "segment"),
      });
      const head = await stores.call(request.storeId, (store) => segmentHead(store, space, segment));
      return { status: segmentStatus(space, segment, head) };
    },

    subscribeToSegmentStatus(request, context) {
      const { space, prefix, segment, heartbeat } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        segment: () => checkPrefix(request.segment, "segment"),
        prefix: () => toSegmentPrefix(request),
        heartbeat: () => toHeartbeatMillis(request.heartbeatInterval),
      });
      return stores.stream(request.storeId, context.signal, async function* (store, signal) {
        for await (const event of watchStatus(store.space(space), { segment, prefix }, heartbeat, signal)) {
          yield toStatusEvent(space, event);
        }
      });
    },

    async trimSegment(request) {
      const { space, segment, before } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        segment: () => checkName(request.segment, "segment"),
        before: () => toFirstKept(request.beforeSequence),
      });
      const head = await stores.call(request.storeId, (store) =>
        changed(store, space, (log) => log.submit(new TrimMutation(log, segment, before))),
      );
      return { status: segmentStatus(space, segment, head) };
    },

    async deleteSegment(request) {
      const { space, segment } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        segment: () => checkName(request.segment, "segment"),
      });
      await stores.call(request.storeId, (store) =>
        changed(store, space, (log) => log.submit(new DeleteSegmentMutation(segment))),
      );
      return {};
    },

    async deleteSpace(request) {
      const { space } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
      });
      await stores.call(request.storeId, (store) =>
        changed(store, space, (log) => log.submit(new DeleteSpaceMutation())),
      );
      return {};
    },
  };
}

/** Lists the names with a prefix; with limits, only those that the limits select. */
function listed<Item>(
  limits: readonly NameLimit[] | undefined,
  prefix: string,
  { after, size }: Paging,
  list: (prefix: string, atOnce: number) => AsyncIterable<Listed<Item>>,
): AsyncIterable<Listed<Item>> {
  // One item more than the page has tells whether there is a next page.
  const atOnce = size + 1;
  return limits === undefined ? list(prefix, atOnce) : grantedNames({ limits, prefix, after, list, atOnce });
}

function toSegmentPrefix({ segment, segmentPrefix }: SubscribeToSegmentStatusRequest): string {
  if (segment !== "" && segmentPrefix !== "") {
    throw invalidField("segment_prefix", "is given together with segment; expected one of them, or none");
  }
  return checkPrefix(segmentPrefix, "segment_prefix");
}

function toFirstKept(sequence: bigint): number {
  if (sequence === 0n) {
    throw invalidField("before_sequence", "is missing; expected the first sequence to keep, 1 to last_sequence + 1");
  }
  return toPosition(sequence);
}

function toStatusEvent(
  space: string,
  event: StatusEvent,
): MessageInitShape<typeof SubscribeToSegmentStatusResponseSchema> {
  switch (event.kind) {
    case "status":
      return { event: { case: "status", value: segmentStatus(space, event.segment, event.head) } };
    case "snapshot-complete":
      return { event: { case: "snapshotComplete", value: {} } };
    case "heartbeat":
      return { event: { case: "heartbeat", value: {} } };
  }
}

/** Commits a trim or deletion, then removes its rows in the background. */
async function changed<T>(store: OpenStore, space: string, change: (log: SpaceLog) => Promise<T>): Promise<T> {
  const log = store.space(space);
  const result = await store.write(() => change(log));
  store.reclaim(log);
  return result;
}

/**
 * Returns the head of a space with the exact offset of its first entry. The stored offset is only a lower bound while
 * rows of trimmed entries remain, or if trimmed entries share a row with others.
 */
async function spaceHead(log: SpaceLog): Promise<SpaceHead> {
  const head = await log.sync();
  if (head.lastOffset === 0) return head;
  const first = await firstBatchFrom(log, log.firstOffset);
  return { ...head, firstOffset: first?.firstOffset ?? head.lastOffset + 1 };
}

async function segmentHead(store: OpenStore, space: string, segment: string): Promise<SegmentHead> {
  const log = store.space(space);
  await log.sync();
  return log.segmentHead(segment);
}

/** Upper bound of the bytes of a status: its names and five numbers or times. */
function statusBytes(space: string, segment: string): number {
  return bytesOfTexts(space, segment) + 80;
}

function spaceStatus(space: string, head: SpaceHead): MessageInitShape<typeof SpaceStatusSchema> {
  const first = Math.max(head.firstOffset, head.deletedOffset + 1);
  return {
    space,
    firstOffset: BigInt(head.lastOffset === 0 ? 0 : first),
    lastOffset: BigInt(head.lastOffset),
    lastTime: timestampOrAbsent(head.lastTimeMicros),
    segmentCount: BigInt(head.segmentCount),
  };
}

function segmentStatus(
  space: string,
  segment: string,
  head: SegmentHead,
): MessageInitShape<typeof SegmentStatusSchema> {
  const empty = head.firstSequence > head.lastSequence;
  return {
    space,
    segment,
    firstSequence: BigInt(head.lastSequence === 0 ? 0 : head.firstSequence),
    firstTime: empty ? undefined : timestampOrAbsent(head.firstTimeMicros),
    lastSequence: BigInt(head.lastSequence),
    lastTime: empty ? undefined : timestampOrAbsent(head.lastTimeMicros),
    lastOffset: BigInt(head.lastOffset),
  };
}
