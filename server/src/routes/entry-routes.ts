import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { OpaqueConsumeResponseSchema, OpaqueMergedConsumeResponseSchema } from "@streamkit/protocol/wire";
import { principalKey } from "../access/gate.ts";
import { accountKey } from "../budgets/peer.ts";
import { ReadPace } from "../budgets/response-budget.ts";
import { appendToLog } from "../engine/append/append-to-log.ts";
import { checkName, checkPrefix, checkUuid } from "../engine/names.ts";
import type { OpenStore } from "../engine/open-store.ts";
import { consume, type EntrySource, type Selection } from "../engine/read/consume.ts";
import { consumeMerged } from "../engine/read/merge.ts";
import { findBatchAt } from "../engine/read/read-segment.ts";
import { SegmentSource, SpaceSource } from "../engine/space/sources.ts";
import { toResponse, toTransaction } from "./append-request.ts";
import { checkAll } from "./checks.ts";
import { respondDirectly } from "./direct-response.ts";
import type { OpaqueImplementation } from "./opaque-routes.ts";
import { produce } from "./produce-session.ts";
import { readRoutes } from "./read-routes.ts";
import { checkSpaces, toPosition, toSelection } from "./request-fields.ts";
import type { Stores } from "./stores.ts";

/** The RPCs of StreamService that carry entries. */
export function entryRoutes(stores: Stores): OpaqueImplementation {
  return {
    async append(request, { values }) {
      const { append } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        append: () => toTransaction(request, values.get(principalKey)),
      });
      const { space, transaction } = append;
      const result = await stores.call(request.storeId, (store) =>
        store.write(() => appendToLog(store.space(space), transaction)),
      );
      return toResponse(result);
    },

    produce(requests, context) {
      return produce(stores, requests, context);
    },

    async peek(request) {
      const { space, segment } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        segment: () => checkName(request.segment, "segment"),
      });
      return stores.call(request.storeId, async (store) => {
        const log = store.space(space);
        await log.sync();
        const head = await log.segmentHead(segment);
        if (head.firstSequence > head.lastSequence) return {};
        const batch = await findBatchAt(log, segment, head.lastSequence);
        if (batch === undefined) return {};
        const index = head.lastSequence - batch.firstSequence;
        return { entry: batch.slice(index, index + 1).bytes };
      });
    },

    ...readRoutes(stores),

    consumeSegment(request, context) {
      const { minSequence: min, maxSequence: max, last } = request;
      const { space, segment, selection } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        segment: () => checkName(request.segment, "segment"),
        selection: () => toSelection(request, { min, max, last, noun: "sequence" }),
      });
      return consumeOne(
        stores,
        request.storeId,
        context,
        selection,
        (store) => new SegmentSource(store.space(space), segment),
      );
    },

    consumeSpace(request, context) {
      const { minOffset: min, maxOffset: max, last } = request;
      const { space, prefix, selection } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        prefix: () => checkPrefix(request.segmentPrefix, "segment_prefix"),
        selection: () => toSelection(request, { min, max, last, noun: "offset" }),
      });
      return consumeOne(
        stores,
        request.storeId,
        context,
        selection,
        (store) => new SpaceSource(store.space(space), prefix),
      );
    },

    consume(request, context) {
      const { selection } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        spaces: () => checkSpaces(request.spaces, "spaces"),
        selection: () => toSelection(request, { min: 0n, max: 0n, last: 0n, noun: "offset" }),
      });
      const spaces = Object.entries(request.spaces);
      return stores.stream(request.storeId, context.signal, async function* (store, signal) {
        const inputs = spaces.map(([space, min]) => ({
          space,
          source: new SpaceSource(store.space(space)),
          min: Math.max(1, toPosition(min)),
        }));
        for await (const page of consumeMerged(inputs, selection, signal)) {
          yield {
            batches: page.batches.map((batch) => batch.bytes),
            nextOffsets: Object.fromEntries([...page.next].map(([space, offset]) => [space, BigInt(offset)])),
            caughtUp: page.caughtUp,
          } satisfies MessageInitShape<typeof OpaqueMergedConsumeResponseSchema>;
        }
      });
    },
  };
}

function consumeOne(
  stores: Stores,
  storeId: string,
  context: HandlerContext,
  selection: Selection,
  source: (store: OpenStore) => EntrySource,
): AsyncIterable<MessageInitShape<typeof OpaqueConsumeResponseSchema>> {
  return stores.stream(storeId, context.signal, async function* (store, signal) {
    const account = context.values.get(accountKey);
    const paced = account === undefined ? selection : { ...selection, pace: new ReadPace(account) };
    for await (const { batches, next, caughtUp } of consume(source(store), paced, signal)) {
      const direct = respondDirectly(context, batches, next, caughtUp);
      yield { batches: direct ? [] : batches.map((batch) => batch.bytes), nextPosition: BigInt(next), caughtUp };
    }
  });
}
