import type { EntryBatch, ListCursorsRequest, ListCursorsResponse } from "@streamkit/protocol";
import { type Bends, bentTransport, type ReadResponse } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

/** Size of responses that gRPC clients refuse. */
const TOO_MUCH = 4 * 1024 * 1024;
/** A response of at least this size was cut because of its size. */
const CUT = 400 * 1024;
const DEFAULT_PAGE_SIZE = 100;

function bend(where: Deviation["where"], name: string, wrong: string, bends: Bends): Deviation {
  return { name, wrong, where, transport: (next) => bentTransport(next, bends) };
}

function bytesOf(batches: readonly EntryBatch[]): number {
  return batches.reduce((sum, { records }) => sum + records.reduce((all, { payload }) => all + payload.length, 0), 0);
}

/** Joins responses up to the size that clients refuse. */
async function* joined(responses: AsyncIterable<ReadResponse>): AsyncGenerator<ReadResponse> {
  let batches: EntryBatch[] = [];
  for await (const response of responses) {
    batches.push(...response.batches);
    if (!response.caughtUp && bytesOf(batches) < TOO_MUCH) continue;
    response.batches = batches;
    yield response;
    batches = [];
  }
}

/** Loses the first batch after a response that was cut because of its size. */
async function* losing(responses: AsyncIterable<ReadResponse>): AsyncGenerator<ReadResponse> {
  let cut = false;
  for await (const response of responses) {
    if (cut) response.batches.shift();
    cut = bytesOf(response.batches) >= CUT;
    yield response;
  }
}

/** Fills the page of a list regardless of its size. */
const filledPage: Bends = {
  async around(rpc, message, send) {
    if (rpc !== "ListCursors") return send();
    const request = message as ListCursorsRequest;
    const most = request.pageSize || DEFAULT_PAGE_SIZE;
    const page = (await send()) as ListCursorsResponse;
    while (page.nextPageToken !== "" && page.cursors.length < most) {
      request.pageToken = page.nextPageToken;
      const next = (await send()) as ListCursorsResponse;
      page.cursors.push(...next.cursors);
      page.nextPageToken = next.nextPageToken;
    }
    return page;
  },
};

function onShortPages(change: (response: ListCursorsResponse) => void): Bends["response"] {
  return (rpc, message, request) => {
    if (rpc !== "ListCursors") return;
    const most = (request as ListCursorsRequest).pageSize || DEFAULT_PAGE_SIZE;
    const response = message as ListCursorsResponse;
    if (response.cursors.length < most && response.nextPageToken !== "") change(response);
  };
}

/** Treats the token of another list as no token. */
function anyToken(): Bends {
  const lists = new Map<string, string>();
  return {
    request(rpc, message) {
      const request = message as ListCursorsRequest;
      if (request.pageToken && (lists.get(request.pageToken) ?? rpc) !== rpc) request.pageToken = "";
    },
    response(rpc, message) {
      const { nextPageToken } = message as ListCursorsResponse;
      if (nextPageToken) lists.set(nextPageToken, rpc);
    },
  };
}

/** Servers with faults in the sizes of responses and pages. */
export const PAGE_DEVIATIONS: readonly Deviation[] = [
  bend("read", "four-mebibytes", "sends entries in responses of at least 4 MiB", { pages: joined }),
  bend("read", "lost-at-the-cut", "loses the first batch after a response that was cut because of its size", {
    pages: losing,
  }),
  bend("cursor", "filled-cursor-pages", "fills pages of cursors regardless of their bytes", filledPage),
  bend("cursor", "short-page-is-last", "omits the token of a page that was cut because of its size", {
    response: onShortPages((response) => {
      response.nextPageToken = "";
    }),
  }),
  bend("cursor", "lost-cursor-at-the-cut", "loses the last cursor of a page that was cut because of its size", {
    response: onShortPages((response) => void response.cursors.pop()),
  }),
  bend("admin", "any-token", "starts at the beginning with the token of another list", anyToken()),
];
