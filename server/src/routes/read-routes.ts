import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import type { OpaqueConsumeResponseSchema } from "@streamkit/protocol/wire";
import { principalKey } from "../access/gate.ts";
import { StreamEnd } from "../access/stream-end.ts";
import { accountKey } from "../budgets/peer.ts";
import { checkName, checkPrefix, checkUuid } from "../engine/names.ts";
import type { OpenStore } from "../engine/open-store.ts";
import type { ConsumePage, Ending, EntrySource } from "../engine/read/consume.ts";
import { type PageSelection, readBackward, readForward, readOrWait } from "../engine/read/read-page.ts";
import { batchesOf, type EncodedPage } from "../engine/read/segment-tail.ts";
import { readSegmentPage } from "../engine/space/read-segment-page.ts";
import { SegmentSource, SpaceSource } from "../engine/space/sources.ts";
import { invalidField, ServerError, StoreDeletedError } from "../errors.ts";
import { checkAll } from "./checks.ts";
import { respondDirectly, respondEncoded } from "./direct-response.ts";
import { LazyContext } from "./lazy-context.ts";
import type { OpaqueImplementation } from "./opaque-routes.ts";
import { type PositionFields, toMillis, toSelection } from "./request-fields.ts";
import type { Stores } from "./stores.ts";

const DEFAULT_LIMIT = 1_000n;
const WAIT_LIMITS = { min: 0, max: 60_000, expected: "0 to 60 s" };

/** The fields that both requests have. */
interface ReadFields {
  readonly minTime?: Timestamp;
  readonly maxTime?: Timestamp;
  readonly limit: bigint;
  readonly backward: boolean;
  readonly wait?: Duration;
}

type Response = MessageInitShape<typeof OpaqueConsumeResponseSchema>;

/** The RPCs of StreamService that read one page in one call. */
export function readRoutes(stores: Stores): Pick<OpaqueImplementation, "readSegment" | "readSpace"> {
  return {
    async readSegment(request, context) {
      const { minSequence: min, maxSequence: max } = request;
      const { space, segment, page } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        segment: () => checkName(request.segment, "segment"),
        page: () => toPage(request, { min, max, last: 0n, noun: "sequence" }),
      });
      return readPage(stores, context, request.storeId, page, {
        source: (store) => new SegmentSource(store.space(space), segment),
        readForward: (store, ending) => readSegmentPage(store.space(space), segment, page.selection, ending),
      });
    },

    async readSpace(request, context) {
      const { minOffset: min, maxOffset: max } = request;
      const { space, prefix, page } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        space: () => checkName(request.space, "space"),
        prefix: () => checkPrefix(request.segmentPrefix, "segment_prefix"),
        page: () => toPage(request, { min, max, last: 0n, noun: "offset" }),
      });
      const source = (store: OpenStore) => new SpaceSource(store.space(space), prefix);
      return readPage(stores, context, request.storeId, page, {
        source,
        readForward: (store, ending) => readForward(source(store), page.selection, ending),
      });
    },
  };
}

/** The page that a request asks for. */
interface PageWanted {
  readonly selection: PageSelection;
  readonly backward: boolean;
  readonly waitMillis: number;
}

function toPage({ backward, wait, ...request }: ReadFields, positions: PositionFields): PageWanted {
  const limit = request.limit === 0n ? DEFAULT_LIMIT : request.limit;
  const { selection, waitMillis } = checkAll({
    selection: () => toSelection({ ...request, limit, follow: false }, positions),
    waitMillis: () => {
      const millis = wait === undefined ? 0 : toMillis(wait, "wait", WAIT_LIMITS);
      if (backward && millis > 0) throw invalidField("wait", "is given together with backward; expected one of them");
      return millis;
    },
  });
  return { selection, backward, waitMillis };
}

/** The ways to read the entries of a request. */
interface Reader {
  readonly source: (store: OpenStore) => EntrySource;
  /** Reads a page forward, without waiting. */
  readonly readForward: (store: OpenStore, ending: Ending) => Promise<ConsumePage | EncodedPage>;
}

async function readPage(
  stores: Stores,
  context: HandlerContext,
  storeId: string,
  { selection, backward, waitMillis }: PageWanted,
  { source, readForward }: Reader,
): Promise<Response> {
  const page = await stores.call(storeId, (store): Promise<ConsumePage | EncodedPage> => {
    if (waitMillis > 0) return waitForPage(store, source(store), selection, waitMillis, context);
    const ending = context instanceof LazyContext ? context : context.signal;
    if (backward) return readBackward(source(store), selection, ending);
    return readForward(store, ending);
  });
  return { batches: respond(context, page), nextPosition: BigInt(page.next), caughtUp: page.caughtUp };
}

/** Hands a page over in its encoding. Returns the batches that the message itself must have. */
function respond(context: HandlerContext, page: ConsumePage | EncodedPage): Uint8Array[] {
  if ("fields" in page) return respondEncoded(context, page) ? [] : batchesOf(page);
  const { batches, next, caughtUp } = page;
  return respondDirectly(context, batches, next, caughtUp) ? [] : batches.map((batch) => batch.bytes);
}

/**
 * Waits for entries. A waiting call lives as long as a stream, so it counts as one, and ends with its store and with
 * the credentials of its principal.
 */
async function waitForPage(
  store: OpenStore,
  source: EntrySource,
  selection: PageSelection,
  waitMillis: number,
  context: HandlerContext,
) {
  const account = context.values.get(accountKey);
  account?.take("streams", 1);
  const principal = context.values.get(principalKey);
  using end = principal && StreamEnd.isFor(principal) ? new StreamEnd(principal) : undefined;
  try {
    const signals = [context.signal, store.ended.signal, ...(end === undefined ? [] : [end.signal])];
    return await readOrWait(source, selection, waitMillis, AbortSignal.any(signals));
  } catch (error) {
    // `Stores.call` must not retry on a store that may be created anew: the caller's position does not belong to it.
    throw error instanceof StoreDeletedError ? new ServerError(error.reason, error.message, error.facts) : error;
  } finally {
    account?.give("streams", 1);
  }
}
