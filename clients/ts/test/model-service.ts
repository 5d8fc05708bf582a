import { randomUUID } from "node:crypto";
import { Code, ConnectError, type ConnectRouter, createRouterTransport, type Transport } from "@connectrpc/connect";
import { type AppendRequest, ErrorDetailSchema, ErrorReason, StreamService } from "@streamkit/protocol";
import { describeTransport } from "../src/index.ts";

/** A committed record of the model. */
export interface ModelEntry {
  segment: string;
  sequence: number;
  offset: number;
  payload: Uint8Array;
  transactionId: string;
  number: number;
}

/** Functions with which a test interferes with the clients of the model. */
export interface ModelFaults {
  /** Called before each response of a stream and before each append; may throw. */
  beforeResponse?: (rpc: string, index: number) => void;
  /** Called after each commit, before its answer; may throw: the answer is lost. */
  afterCommit?: () => void;
}

/**
 * A small model of one space. It has faults on demand, which a real server cannot have. Tests without such faults use
 * the real server.
 */
export class ModelService {
  readonly entries: ModelEntry[] = [];
  readonly results = new Map<string, ReturnType<typeof toResult>>();
  /** Transaction ids in the order of arrival, repetitions included. */
  readonly arrivals: string[] = [];
  faults: ModelFaults = {};
  batchSize = 3;

  transport(description = { format: "binary" as const, duplex: true }): Transport {
    return describeTransport(createRouterTransport(this.routes), description);
  }

  readonly routes = (router: ConnectRouter): void => {
    const self = this;
    router.service(StreamService, {
      append(request) {
        self.faults.beforeResponse?.("append", self.arrivals.length);
        const result = self.#commit(request);
        self.faults.afterCommit?.();
        return result;
      },
      async *produce(requests) {
        let index = 0;
        for await (const request of requests) {
          self.faults.beforeResponse?.("produce", index++);
          const result = self.#commit(request as unknown as AppendRequest);
          self.faults.afterCommit?.();
          yield result;
        }
      },
      async *consumeSegment(request) {
        let index = 0;
        const all = self.entries.filter((entry) => entry.segment === request.segment);
        let next = Math.max(
          Number(request.minSequence),
          request.last > 0n ? all.length - Number(request.last) + 1 : 1,
          1,
        );
        const end = Math.min(Number(request.maxSequence) || all.length, all.length);
        let remaining = Number(request.limit) || Number.POSITIVE_INFINITY;
        self.faults.beforeResponse?.("consume", index++);
        yield { nextSequence: BigInt(next), caughtUp: next > all.length };
        while (next <= end && remaining > 0) {
          self.faults.beforeResponse?.("consume", index++);
          const records = all.slice(next - 1, Math.min(next - 1 + self.batchSize, end, next - 1 + remaining));
          remaining -= records.length;
          next += records.length;
          yield {
            batches: [
              {
                space: request.space,
                segment: request.segment,
                firstSequence: BigInt(records[0].sequence),
                firstOffset: BigInt(records[0].offset),
                transaction: { id: records[0].transactionId, number: BigInt(records[0].number) },
                records: records.map(({ payload }) => ({ payload })),
              },
            ],
            nextSequence: BigInt(next),
            caughtUp: next > all.length,
          };
        }
        self.faults.beforeResponse?.("consume", index++);
      },
    });
  };

  /** Fills a segment without going through a client. */
  fill(segment: string, count: number): void {
    for (let i = 0; i < count; i++) {
      this.#commit({
        transactionId: randomUUID(),
        appends: [{ segment, records: [{ payload: Uint8Array.of(i) }] }],
      } as unknown as AppendRequest);
    }
  }

  #commit(request: AppendRequest) {
    this.arrivals.push(request.transactionId);
    const known = this.results.get(request.transactionId);
    if (known !== undefined) return { ...known, deduplicated: true };
    const number = this.results.size + 1;
    const ranges = request.appends.map(({ segment, records, expectedLastSequence }) => {
      const last = this.entries.filter((entry) => entry.segment === segment).length;
      if (expectedLastSequence !== undefined && expectedLastSequence !== BigInt(last)) {
        throw failure(
          Code.FailedPrecondition,
          ErrorReason.SEQUENCE_MISMATCH,
          false,
          segment,
          expectedLastSequence,
          last,
        );
      }
      const firstOffset = this.entries.length + 1;
      records.forEach(({ payload }, i) => {
        const { transactionId } = request;
        this.entries.push({ segment, sequence: last + 1 + i, offset: firstOffset + i, payload, transactionId, number });
      });
      return { segment, first: last + 1, last: last + records.length, firstOffset };
    });
    const result = toResult(request.transactionId, number, ranges);
    this.results.set(request.transactionId, result);
    return result;
  }
}

/** An error as a Streamkit server makes it. */
export function failure(
  code: Code,
  reason: ErrorReason,
  retryable: boolean,
  segment = "",
  expectedLastSequence = 0n,
  actual = 0,
): ConnectError {
  const value = { reason, retryable, segment, expectedLastSequence, actualLastSequence: BigInt(actual) };
  return new ConnectError("scripted", code, undefined, [{ desc: ErrorDetailSchema, value }]);
}

/** A transient error as a Streamkit server makes it. */
export function unavailable(): ConnectError {
  return failure(Code.Unavailable, ErrorReason.STORAGE_UNAVAILABLE, true);
}

function toResult(
  id: string,
  number: number,
  ranges: { segment: string; first: number; last: number; firstOffset: number }[],
) {
  return {
    transaction: { id, number: BigInt(number) },
    commitTime: { seconds: BigInt(1_700_000_000 + number), nanos: 123_456_000 },
    ranges: ranges.map(({ segment, first, last, firstOffset }) => ({
      segment,
      firstSequence: BigInt(first),
      lastSequence: BigInt(last),
      firstOffset: BigInt(firstOffset),
    })),
    deduplicated: false,
  };
}
