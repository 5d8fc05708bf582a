/** The share of one principal: over all of its connections and ways in, and without harm to others. */
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { AppendRequestSchema, StreamService } from "@streamkit/protocol";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createStreamkit, Grants, memoryStorage, type Streamkit } from "../../src/index.ts";
import { SEGMENT, SPACE, STORE } from "./calls.ts";
import { openWays } from "./ways.ts";

let streamkit: Streamkit;
let opened: Awaited<ReturnType<typeof openWays>>;
beforeEach(async () => {
  streamkit = createStreamkit({
    storage: memoryStorage(),
    authenticate: ({ headers }) => ({ subject: headers.get("authorization") ?? "nobody", grants: Grants.all }),
    limits: { streamsPerPrincipal: 2, requestBytesPerPrincipal: 2_000 },
    onEvent: () => undefined,
  });
  opened = await openWays(streamkit);
});
afterEach(async () => {
  opened.close();
  await streamkit.close();
});

const { append, consumeSegment } = StreamService.method;

it("a principal has its streams on all ways together, and another has its own", async () => {
  const client = createClient(StreamService, streamkit.transport({ authenticate: true }));
  const leave = new AbortController();
  const options = { headers: { authorization: "alice" }, signal: leave.signal };
  const request = { storeId: STORE, space: SPACE, segment: SEGMENT, follow: true };
  const streams = [1, 2].map(() => client.consumeSegment(request, options)[Symbol.asyncIterator]());
  for (const stream of streams) await stream.next();
  for (const way of opened.ways) {
    expect(await way.call(consumeSegment, "alice"), way.name).toMatchObject({
      reason: "OVERLOADED",
      text: expect.stringContaining("this principal has 2 open streams; the limit is 2"),
    });
    expect(await way.call(consumeSegment, "bob"), way.name).toMatchObject({ code: "ok" });
    expect(await way.call(append, "alice"), way.name).toMatchObject({ code: "ok" });
  }
  leave.abort();
  for (const stream of streams) await stream.next().catch(() => undefined);
});

it("a principal has its bytes of requests on all ways, and gives them back", async () => {
  const appends = [{ segment: SEGMENT, records: [{ payload: new Uint8Array(3_000) }] }];
  const large = create(AppendRequestSchema, { storeId: STORE, space: SPACE, appends });
  for (const way of opened.ways) {
    for (let turn = 0; turn < 2; turn++) {
      expect(await way.call(append, "alice", large), way.name).toMatchObject({ reason: "OVERLOADED" });
      for (let call = 0; call < 30; call++) {
        expect(await way.call(append, "alice"), way.name).toMatchObject({ code: "ok" });
      }
    }
  }
});
