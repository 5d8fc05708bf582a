import type { PeekResponse } from "@streamkit/protocol";
import { type Bends, bentTransport, type ReadResponse } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

function bend(name: string, wrong: string, bends: Bends): Deviation {
  return { name, wrong, where: "read", transport: (next) => bentTransport(next, bends) };
}

/** A deviation that changes single responses. */
function bendPages(name: string, wrong: string, change: (response: ReadResponse) => void): Deviation {
  return bend(name, wrong, {
    async *pages(responses) {
      for await (const response of responses) {
        change(response);
        yield response;
      }
    },
  });
}

/** Servers with faults in reads. */
export const READ_DEVIATIONS: readonly Deviation[] = [
  bendPages("dropped-last-record", "does not deliver the last record of a batch", (response) => {
    for (const batch of response.batches) if (batch.records.length > 1) batch.records.pop();
  }),
  bendPages("wrong-first-sequence", "numbers the entries of a cut batch from the batch's beginning", (response) => {
    for (const batch of response.batches) if (batch.firstSequence > 1n) batch.firstSequence -= 1n;
  }),
  bendPages("wrong-first-offset", "gives sequences as offsets", (response) => {
    for (const batch of response.batches) batch.firstOffset = batch.firstSequence;
  }),
  bendPages("next-too-small", "returns the last delivered position as the next one", (response) => {
    if ("nextSequence" in response && response.nextSequence > 1n) response.nextSequence -= 1n;
    if ("nextOffset" in response && response.nextOffset > 1n) response.nextOffset -= 1n;
  }),
  bendPages("next-too-large", "returns a next position that is one too large", (response) => {
    if ("nextSequence" in response) response.nextSequence += 1n;
    if ("nextOffset" in response) response.nextOffset += 1n;
  }),
  bendPages("empty-batches", "adds a batch without records to each response with entries", (response) => {
    const last = response.batches.at(-1);
    if (last !== undefined) response.batches.push({ ...last, records: [] });
  }),
  bendPages("never-caught-up", "never sets caught_up", (response) => {
    response.caughtUp = false;
  }),
  bendPages("always-caught-up", "sets caught_up in every response", (response) => {
    response.caughtUp = true;
  }),
  bendPages("reversed-batches", "delivers the batches of a response backwards", (response) => {
    response.batches.reverse();
  }),
  bendPages("foreign-transaction-id", "gives every batch the id of the first", (response) => {
    const first = response.batches[0]?.transaction?.id;
    for (const batch of response.batches) if (batch.transaction !== undefined) batch.transaction.id = first ?? "";
  }),
  bendPages("merged-by-space", "delivers a merge space by space", (response) => {
    response.batches.sort((a, b) => (a.space < b.space ? -1 : a.space > b.space ? 1 : 0));
  }),
  bend("ignored-limit", "ignores the limit", {
    read(request) {
      request.limit = 0n;
    },
  }),
  bend("limit-plus-one", "delivers one entry more than the limit", {
    read(request) {
      if (request.limit > 0n) request.limit += 1n;
    },
  }),
  bend("exclusive-minimum", "starts one after the minimum", {
    read(request) {
      if ("minSequence" in request && request.minSequence > 0n) request.minSequence += 1n;
      if ("minOffset" in request && request.minOffset > 0n) request.minOffset += 1n;
    },
  }),
  bend("inclusive-by-one-maximum", "ends one after the maximum", {
    read(request) {
      if ("maxSequence" in request && request.maxSequence > 0n) request.maxSequence += 1n;
      if ("maxOffset" in request && request.maxOffset > 0n) request.maxOffset += 1n;
    },
  }),
  bend("ignored-last", "ignores last and starts at the beginning", {
    read(request) {
      if ("last" in request) request.last = 0n;
    },
  }),
  bend("ignored-min-time", "ignores the earliest time", {
    read(request) {
      delete request.minTime;
    },
  }),
  bend("ignored-max-time", "ignores the latest time", {
    read(request) {
      delete request.maxTime;
    },
  }),
  bend("ignored-prefix", "ignores the segment prefix", {
    read(request) {
      if ("segmentPrefix" in request) request.segmentPrefix = "";
    },
  }),
  bend("peek-of-others", "returns the sequence before the latest in a peek", {
    response(rpc, message) {
      const entry = rpc === "Peek" ? (message as PeekResponse).entry : undefined;
      if (entry !== undefined) entry.firstSequence -= 1n;
    },
  }),
];
