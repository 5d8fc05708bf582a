import { nextWake } from "../live/next-wake.ts";
import type { SegmentFilter } from "../live/status-feed.ts";
import { decodeSegmentHead, effectiveSegmentHead, type SegmentHead } from "../rows/heads.ts";
import { segmentHeadRange, segmentOfHeadKey } from "../rows/key-space.ts";
import type { SpaceLog } from "./space-log.ts";

/** One event of a status subscription. */
export type StatusEvent =
  | { readonly kind: "status"; readonly segment: string; readonly head: SegmentHead }
  | { readonly kind: "snapshot-complete" }
  | { readonly kind: "heartbeat" };

/** Bytes of heads per page of a scan. */
const PAGE_BYTES = 64 * 1024;

/**
 * Watches segments: their states now, a mark, then the state of each changed segment. A segment that changes several
 * times before its event is taken is delivered once, in its latest state. The subscription begins before the snapshot
 * is read, so no change is lost. It begins after the commits of others before the call are known, so the snapshot has
 * them.
 *
 * @throws the reason that `signal` was aborted with
 */
export async function* watchStatus(
  log: SpaceLog,
  filter: SegmentFilter,
  heartbeatMillis: number,
  signal: AbortSignal,
): AsyncGenerator<StatusEvent, void, undefined> {
  using _held = log.hold();
  await log.sync();
  using subscription = log.followStatus(filter);
  yield* snapshot(log, filter);
  // The snapshot may show commits of others that memory does not know yet. Changes must not be told from an older
  // state.
  await log.sync();
  yield { kind: "snapshot-complete" };
  for (;;) {
    signal.throwIfAborted();
    const changed = subscription.take();
    if (changed === undefined) {
      if (!(await nextWake(subscription, heartbeatMillis, signal))) yield { kind: "heartbeat" };
      continue;
    }
    if (changed === "everything") {
      for await (const [segment, head] of heads(log, filter.prefix)) {
        // A segment that was never written has no status.
        if (head.lastSequence > 0) yield { kind: "status", segment, head };
      }
      await log.sync();
      continue;
    }
    for (const segment of changed) {
      signal.throwIfAborted();
      yield { kind: "status", segment, head: await log.segmentHead(segment) };
    }
  }
}

async function* snapshot(log: SpaceLog, { segment, prefix }: SegmentFilter): AsyncGenerator<StatusEvent> {
  if (segment !== "") {
    yield { kind: "status", segment, head: await log.segmentHead(segment) };
    return;
  }
  for await (const [name, head] of heads(log, prefix)) {
    if (!head.unlisted) yield { kind: "status", segment: name, head };
  }
}

async function* heads(log: SpaceLog, prefix: string): AsyncGenerator<[string, SegmentHead]> {
  for await (const rows of log.store.scan(log.partition, { ...segmentHeadRange(prefix), pageBytes: PAGE_BYTES })) {
    for (const row of rows) {
      const segment = segmentOfHeadKey(row.key);
      yield [segment, effectiveSegmentHead(decodeSegmentHead(row.value, segment), log.head)];
    }
  }
}
