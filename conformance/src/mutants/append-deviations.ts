import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
  type AppendRequest,
  AppendRequestSchema,
  type AppendResponse,
  AppendResponseSchema,
} from "@streamkit/protocol";
import { type Bends, bentTransport } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

function bend(name: string, wrong: string, bends: Bends): Deviation {
  return { name, wrong, where: "append", transport: (next) => bentTransport(next, bends) };
}

/** Answers a repeated transaction id with the first result, even after its records were trimmed. */
function rememberedForever(next: Transport): Transport {
  const results = new Map<string, AppendResponse>();
  return bentTransport(next, {
    async around(rpc, message, send) {
      if (rpc !== "Append") return send();
      const { transactionId } = message as AppendRequest;
      try {
        const response = await send();
        if (transactionId !== "") results.set(transactionId, response as AppendResponse);
        return response;
      } catch (error) {
        const first = results.get(transactionId);
        if (first === undefined || ConnectError.from(error).code !== Code.FailedPrecondition) throw error;
        return create(AppendResponseSchema, { ...first, deduplicated: true });
      }
    },
  });
}

/** Servers with faults in appends. */
export const APPEND_DEVIATIONS: readonly Deviation[] = [
  bend("sequence-off-by-one", "returns sequences that are one too large", {
    appended(response) {
      for (const range of response.ranges) range.firstSequence += 1n;
    },
  }),
  bend("offset-of-segment", "returns the sequence in place of the offset", {
    appended(response) {
      for (const range of response.ranges) range.firstOffset = range.firstSequence;
    },
  }),
  bend("ignored-expectation", "ignores expected_last_sequence of segments with records", {
    append(request) {
      for (const each of request.appends) if (each.records.length > 0) delete each.expectedLastSequence;
      return undefined;
    },
  }),
  bend("ignored-guard", "ignores conditions on segments without records", {
    append(request) {
      request.appends = request.appends.filter((each) => each.records.length > 0);
      return undefined;
    },
  }),
  bend("ignored-fencing-token", "ignores fencing tokens", {
    append(request) {
      for (const each of request.appends) if (each.records.length > 0) delete each.fencingToken;
      return undefined;
    },
  }),
  bend("any-fencing-token", "accepts tokens far above those of all leases", {
    append(request) {
      for (const each of request.appends) {
        if (each.fencingToken !== undefined && each.fencingToken > 1_000n) each.fencingToken = 1_000n;
      }
      return undefined;
    },
  }),
  bend("duplicate-after-retry", "forgets transaction ids", {
    append(request) {
      if (request.transactionId.length === 36) request.transactionId = randomUUID();
      return undefined;
    },
  }),
  {
    name: "retry-of-trimmed",
    wrong: "recognises retries whose records were trimmed",
    where: "append",
    transport: rememberedForever,
  },
  bend("silent-dedupe", "never sets deduplicated", {
    appended(response) {
      response.deduplicated = false;
    },
  }),
  bend("torn-transaction", "writes each segment of a transaction in a separate transaction", {
    append(request) {
      if (request.appends.length < 2 || request.appends.some((each) => each.records.length === 0)) return undefined;
      return request.appends.map((each) =>
        create(AppendRequestSchema, { storeId: request.storeId, space: request.space, appends: [each] }),
      );
    },
  }),
  bend("sorted-segments", "gives offsets in the order of the segment names", {
    append(request) {
      request.appends.sort((a, b) => (a.segment < b.segment ? -1 : 1));
      return undefined;
    },
  }),
  bend("lost-metadata", "does not store metadata", {
    append(request) {
      for (const each of request.appends) for (const record of each.records) record.metadata = {};
      return undefined;
    },
  }),
  bend("lost-empty-records", "does not store records without content", {
    append(request) {
      for (const each of request.appends) {
        const full = each.records.filter((record) => record.payload.length > 0);
        if (full.length > 0) each.records = full;
      }
      return undefined;
    },
  }),
  bend("text-payload", "treats payloads as text", {
    append(request) {
      for (const each of request.appends) {
        for (const record of each.records)
          record.payload = new TextEncoder().encode(new TextDecoder().decode(record.payload));
      }
      return undefined;
    },
  }),
  bend("limit-one-less", "refuses 1,000 records", {
    append(request) {
      const records = request.appends.reduce((sum, each) => sum + each.records.length, 0);
      if (records === 1_000) throw new ConnectError("too many", Code.InvalidArgument);
      return undefined;
    },
  }),
  bend("coarse-commit-time", "returns commit times in whole seconds", {
    appended(response) {
      if (response.commitTime !== undefined) response.commitTime.nanos = 0;
    },
  }),
  bend("number-per-store", "counts transactions from 1,000", {
    appended(response) {
      if (response.transaction !== undefined) response.transaction.number += 999n;
    },
  }),
];
