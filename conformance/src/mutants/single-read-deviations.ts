import { setTimeout as delay } from "node:timers/promises";
import type { ReadSegmentRequest, ReadSegmentResponse, ReadSpaceRequest, ReadSpaceResponse } from "@streamkit/protocol";
import { type Bends, bentTransport } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

type PageRequest = ReadSegmentRequest | ReadSpaceRequest;
type PageResponse = ReadSegmentResponse | ReadSpaceResponse;

const isPage = (rpc: string): boolean => rpc === "ReadSegment" || rpc === "ReadSpace";

function bend(name: string, wrong: string, bends: Bends): Deviation {
  return { name, wrong, where: "read", transport: (next) => bentTransport(next, bends) };
}

function bendRequest(name: string, wrong: string, change: (request: PageRequest) => void): Deviation {
  return bend(name, wrong, {
    request(rpc, message) {
      if (isPage(rpc)) change(message as PageRequest);
    },
  });
}

function bendPage(
  name: string,
  wrong: string,
  change: (response: PageResponse, request: PageRequest) => void,
): Deviation {
  return bend(name, wrong, {
    response(rpc, message, request) {
      if (isPage(rpc)) change(message as PageResponse, request as PageRequest);
    },
  });
}

/** Replaces `wait` by its own waiting around calls without it. */
function bendWait(
  name: string,
  wrong: string,
  wait: (millis: number, send: () => Promise<PageResponse>) => Promise<PageResponse>,
): Deviation {
  return bend(name, wrong, {
    around(rpc, message, send) {
      const request = message as PageRequest;
      if (!isPage(rpc) || request.wait === undefined) return send();
      const millis = Number(request.wait.seconds) * 1_000 + request.wait.nanos / 1e6;
      if (request.backward || millis < 0 || millis > 60_000) return send();
      delete request.wait;
      return wait(millis, send as () => Promise<PageResponse>);
    },
  });
}

function move(response: PageResponse, by: bigint): void {
  if ("nextSequence" in response) response.nextSequence += by;
  else response.nextOffset += by;
}

/** Servers with faults in reads of single pages. */
export const SINGLE_READ_DEVIATIONS: readonly Deviation[] = [
  bendRequest("ignored-backward", "ignores backward and reads forward", (request) => {
    request.backward = false;
  }),
  bendPage("backward-misses-one", "leaves out the oldest batch of a backward page", ({ batches }, { backward }) => {
    if (backward && batches.length > 1) batches.pop();
  }),
  bendPage("reversed-records", "reverses the records of a batch in a backward read", ({ batches }, { backward }) => {
    if (backward) for (const { records } of batches) records.reverse();
  }),
  bendPage("backward-without-end", "returns 1 as the next position at the end", (response, { backward }) => {
    if (backward && response.caughtUp) move(response, 1n);
  }),
  bendRequest("page-limit-plus-one", "returns one entry more than the limit", (request) => {
    if (request.limit > 0n) request.limit += 1n;
  }),
  bendRequest("page-limit-default", "has another default limit for a page", (request) => {
    if (request.limit === 0n) request.limit = 999n;
  }),
  bendPage("skip-behind-the-page", "continues one entry too late after a cut page", (response, { backward }) => {
    if (!response.caughtUp && !backward) move(response, 1n);
  }),
  bendPage("page-never-at-the-head", "never says that a page reaches the head", (response) => {
    response.caughtUp = false;
  }),
  bendWait("ignored-wait", "ignores wait and answers at once with nothing", (_, send) => send()),
  bendWait("wait-to-the-end", "waits the whole time in spite of new entries", async (millis, send) => {
    const page = await send();
    if (page.batches.length > 0) return page;
    await delay(millis, undefined, { ref: false });
    return send();
  }),
  bendWait("wait-for-what-is-there", "waits even if there are entries already", async (millis, send) => {
    await delay(Math.min(millis, 5_000), undefined, { ref: false });
    return send();
  }),
];
