import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { ErrorReason, LIMITS, type ProduceResponseSchema } from "@streamkit/protocol";
import type {
  OpaqueAppendRequest,
  OpaqueConsumeResponseSchema,
  OpaqueMergedConsumeResponseSchema,
} from "@streamkit/protocol/wire";
import { accountKey } from "../budgets/peer.ts";
import { ReadPace } from "../budgets/response-budget.ts";
import { type AppendTransaction, checkTransaction } from "../engine/append.ts";
import type { AppendResult } from "../engine/append-mutation.ts";
import { consume, type EntrySource, type Selection } from "../engine/consume.ts";
import type { ProduceSession } from "../engine/group-commit.ts";
import { consumeMerged } from "../engine/merge.ts";
import { checkName, checkPrefix, checkUuid } from "../engine/names.ts";
import { findBatchAt } from "../engine/read-segment.ts";
import { ElementBudget, parseSegmentAppend, type SegmentAppend } from "../engine/segment-append.ts";
import { SegmentSource, SpaceSource } from "../engine/sources.ts";
import type { SpaceLog } from "../engine/space-log.ts";
import type { StoreNode } from "../engine/store-node.ts";
import { invalidField, ServerError, StoreDeletedError } from "../errors.ts";
import { checkAll, checkEach } from "./checks.ts";
import { respondDirectly } from "./direct-response.ts";
import type { OpaqueImplementation } from "./opaque-routes.ts";
import { readRoutes } from "./read-routes.ts";
import { checkSpaces, toPosition, toSelection } from "./request-fields.ts";
import type { Stores } from "./stores.ts";
import { timestampFromMicros } from "./times.ts";

/** Requests of one Produce session that may wait for their commit, and their bytes, before the server stops reading. */
const MAX_IN_FLIGHT = 256;
const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024;

/** The fields of AppendResponse and of ProduceResponse, which are the same. */
type ResultFields = Omit<MessageInitShape<typeof ProduceResponseSchema>, "$typeName">;

/** StreamService: the RPCs that carry entries. */
export function entryRoutes(stores: Stores): OpaqueImplementation {
  return {
    async append(request) {
      const { append } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        append: () => toTransaction(request),
      });
      const { space, transaction } = append;
      const result = await stores.call(request.storeId, (node) =>
        node.write(() => node.space(space).append(transaction)),
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
      return stores.call(request.storeId, async (node) => {
        const log = node.space(space);
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
        (node) => new SegmentSource(node.space(space), segment),
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
        (node) => new SpaceSource(node.space(space), prefix),
      );
    },

    consume(request, context) {
      const { selection } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        spaces: () => checkSpaces(request.spaces, "spaces"),
        selection: () => toSelection(request, { min: 0n, max: 0n, last: 0n, noun: "offset" }),
      });
      const spaces = Object.entries(request.spaces);
      return stores.stream(request.storeId, context.signal, async function* (node, signal) {
        const inputs = spaces.map(([space, min]) => ({
          space,
          source: new SpaceSource(node.space(space)),
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
  source: (node: StoreNode) => EntrySource,
): AsyncIterable<MessageInitShape<typeof OpaqueConsumeResponseSchema>> {
  return stores.stream(storeId, context.signal, async function* (node, signal) {
    const account = context.values.get(accountKey);
    const paced = account === undefined ? selection : { ...selection, pace: new ReadPace(account) };
    for await (const { batches, next, caughtUp } of consume(source(node), paced, signal)) {
      const direct = respondDirectly(context, batches, next, caughtUp);
      yield { batches: direct ? [] : batches.map((batch) => batch.bytes), nextPosition: BigInt(next), caughtUp };
    }
  });
}

/** Checks all of an append that does not depend on the store. */
function toTransaction(request: OpaqueAppendRequest): { space: string; transaction: AppendTransaction } {
  const repeatable = request.transactionId !== "";
  const { space, id, appends } = checkAll({
    space: () => checkName(request.space, "space"),
    appends: () => toAppends(request),
    id: () => (repeatable ? checkUuid(request.transactionId, "transaction_id") : crypto.randomUUID()),
  });
  return { space, transaction: { id, repeatable, appends } };
}

function toAppends(request: OpaqueAppendRequest): SegmentAppend[] {
  if (request.appends.length > LIMITS.maxTransactionSegments) {
    throw new ServerError(
      ErrorReason.TRANSACTION_TOO_LARGE,
      `${request.appends.length} segments in one transaction; at most ${LIMITS.maxTransactionSegments} are allowed`,
      { fieldViolations: [{ field: "appends", description: `has ${request.appends.length} segments` }] },
    );
  }
  const budget = new ElementBudget();
  const appends = checkEach(request.appends, (bytes, index) => parseSegmentAppend(bytes, `appends[${index}]`, budget));
  checkTransaction(appends);
  return appends;
}

function toResponse(result: AppendResult): ResultFields {
  return {
    transaction: { id: result.id, number: BigInt(result.number) },
    commitTime: timestampFromMicros(result.commitTime),
    ranges: result.ranges.map((range) => ({
      segment: range.segment,
      firstSequence: BigInt(range.firstSequence),
      lastSequence: BigInt(range.lastSequence),
      firstOffset: BigInt(range.firstOffset),
    })),
    deduplicated: result.deduplicated,
  };
}

/**
 * A Produce session: requests are submitted as they arrive, results leave in the same order. After the first failure
 * nothing more is read, and nothing that was read is applied (the session is marked as failed where commits are made).
 */
async function* produce(
  stores: Stores,
  requests: AsyncIterable<OpaqueAppendRequest>,
  context: HandlerContext,
): AsyncGenerator<ResultFields, void, undefined> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) return;
  const { storeId } = checkAll({
    storeId: () => checkUuid(first.value.storeId, "store_id"),
    space: () => checkName(first.value.space, "space"),
  });
  yield* stores.stream(storeId, context.signal, async function* (node, signal) {
    // Requests can be read once: a store that is gone must show before that.
    await node.checkPresent();
    using _watched = node.watchDeletion();
    const pipeline = new Pipeline(node, storeId, signal);
    void pipeline.read(first.value, iterator);
    try {
      for (;;) {
        const result = await pipeline.next();
        if (result === undefined) return;
        yield toResponse(result);
      }
    } catch (error) {
      throw error instanceof StoreDeletedError ? new ServerError(error.reason, error.message, error.facts) : error;
    } finally {
      pipeline.stop();
    }
  });
}

interface InFlight {
  readonly result: Promise<AppendResult>;
  readonly bytes: number;
}

/** The two ends of a Produce session: what was read and submitted, and the results that wait to be sent. */
class Pipeline {
  readonly #node: StoreNode;
  readonly #storeId: string;
  readonly #signal: AbortSignal;
  readonly #session: ProduceSession = { failed: false };
  readonly #inFlight: InFlight[] = [];
  /** Of the request that was submitted last: it is done no sooner than those before it, or at once when it is refused. */
  #latest: Promise<unknown> = Promise.resolve();
  #refused = false;
  #bytes = 0;
  #ended = false;
  #wakeReader = () => {};
  #wakeWriter = () => {};

  constructor(node: StoreNode, storeId: string, signal: AbortSignal) {
    this.#node = node;
    this.#storeId = storeId;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /** Reads and submits until the client is done, or something fails. Failures become the last result. */
  async read(first: OpaqueAppendRequest, rest: AsyncIterator<OpaqueAppendRequest>): Promise<void> {
    let space = first.space;
    try {
      for (let request = first; ; ) {
        const { append } = checkAll({
          storeId: () => this.#checkStore(request.storeId),
          append: () => toTransaction({ ...request, space: request.space === "" ? space : request.space }),
        });
        if (append.space !== space) {
          // Spaces commit independently, and nothing may be applied that was sent after what is refused.
          await this.#latest.catch(() => undefined);
          if (this.#isOver) break;
          space = append.space;
        }
        this.#submit(append);
        await this.#room();
        if (this.#isOver) break;
        const next = await rest.next();
        if (next.done === true || this.#isOver) break;
        request = next.value;
      }
    } catch (error) {
      this.#inFlight.push({ result: Promise.reject(error), bytes: 0 });
      this.#inFlight.at(-1)?.result.catch(() => undefined);
    } finally {
      this.#ended = true;
      this.#wake();
    }
  }

  #checkStore(id: string): void {
    if (id === "" || checkUuid(id, "store_id") === this.#storeId) return;
    throw invalidField("store_id", "differs from the first request of the session; expected the same or none");
  }

  /** The next result in order; undefined when there is none any more. */
  async next(): Promise<AppendResult | undefined> {
    while (this.#inFlight.length === 0) {
      this.#signal.throwIfAborted();
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
    const [first] = this.#inFlight;
    const result = await first.result;
    this.#inFlight.shift();
    this.#bytes -= first.bytes;
    this.#wakeReader();
    return result;
  }

  /** Ends the session: what is not committed yet is not applied any more. */
  stop(): void {
    this.#session.failed = true;
    this.#wake();
  }

  /** Nothing more is to be submitted. */
  get #isOver(): boolean {
    return this.#refused || this.#session.failed || this.#signal.aborted;
  }

  #submit({ space, transaction }: { space: string; transaction: AppendTransaction }): void {
    const log: SpaceLog = this.#node.space(space);
    const result = this.#node.write(() => log.append(transaction, this.#session));
    // The failure is reported in its turn, by next(); what was sent before it goes on.
    result.catch(() => {
      this.#refused = true;
    });
    this.#latest = result;
    let bytes = 0;
    for (const append of transaction.appends) bytes += append.records.length;
    this.#inFlight.push({ result, bytes });
    this.#bytes += bytes;
    this.#wakeWriter();
  }

  async #room(): Promise<void> {
    const full = () => this.#inFlight.length >= MAX_IN_FLIGHT || this.#bytes >= MAX_IN_FLIGHT_BYTES;
    while (full() && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  #wake(): void {
    this.#wakeReader();
    this.#wakeWriter();
  }
}
