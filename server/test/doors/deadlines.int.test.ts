/**
 * Deadlines of streams, in every protocol. A stream that its deadline ends fails with DEADLINE_EXCEEDED, and never
 * looks complete (H7, M10).
 */
import { randomUUID } from "node:crypto";
import type { DescService } from "@bufbuild/protobuf";
import * as protocol from "@streamkit/protocol";
import { Health } from "@streamkit/protocol/health";
import { v1, v1alpha } from "@streamkit/protocol/reflection";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, memoryStorage, type Streamkit } from "../../src/index.ts";
import { answerOf, begin, envelope, http2 } from "./raw.ts";

let streamkit: Streamkit;
let url: string;
beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage() });
  url = (await streamkit.listen({ port: 0 })).url;
});
afterAll(() => streamkit.close());

const storeId = randomUUID();
const space = "space";
const reflection = { listServices: "" };
/** The streaming methods, each with a first message that starts an endless stream. */
const STREAMS: Readonly<Record<string, object>> = {
  "streamkit.v1.StreamService/ConsumeSpace": { storeId, space, follow: true },
  "streamkit.v1.StreamService/ConsumeSegment": { storeId, space, segment: "segment", follow: true },
  "streamkit.v1.StreamService/Consume": { storeId, spaces: { [space]: "0" }, follow: true },
  "streamkit.v1.StreamService/SubscribeToSegmentStatus": { storeId, space },
  "streamkit.v1.StreamService/Produce": { storeId, space, appends: [{ segment: "segment", records: [{}] }] },
  "streamkit.v1.PresenceService/SubscribeToWorkers": { storeId, group: "group" },
  "grpc.health.v1.Health/Watch": {},
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": reflection,
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": reflection,
};

/** Methods whose clients keep sending: only the deadline ends their streams. */
const BIDIRECTIONAL = /Produce$|ReflectionInfo$/;

describe.each(Object.keys(STREAMS))("%s", (method) => {
  it.each([
    [
      "gRPC",
      { "content-type": "application/grpc+json", "grpc-timeout": "200m", te: "trailers" },
      /"grpc-status":"?4\b/,
    ],
    ["gRPC-Web", { "content-type": "application/grpc-web+json", "grpc-timeout": "200m" }, /grpc-status: 4\r\n/],
    ["Connect", { "content-type": "application/connect+json", "connect-timeout-ms": "200" }, /"deadline_exceeded"/],
  ])("over %s ends with DEADLINE_EXCEEDED and its detail", async (_, headers, expected) => {
    const session = await http2(url);
    const stream = begin(session, `/${method}`, headers);
    const answer = answerOf(stream);
    stream.write(envelope(JSON.stringify(STREAMS[method])));
    if (!BIDIRECTIONAL.test(method)) stream.end();
    const { body, trailers, reset } = await answer;
    const text = `${body}${JSON.stringify({ ...trailers })}`;
    expect(text).toMatch(expected);
    expect(text).toMatch(/grpc-status-details-bin|"details":\[/);
    expect(reset).toBe(0);
    session.destroy();
  });
});

it("the list above has every streaming method", () => {
  const exported: readonly unknown[] = [
    ...Object.values(protocol),
    Health,
    v1.ServerReflection,
    v1alpha.ServerReflection,
  ];
  const isService = (value: unknown): value is DescService => (value as DescService).kind === "service";
  const services = exported.filter(isService);
  const streaming = services.flatMap(({ typeName, methods }) =>
    methods.filter(({ methodKind }) => methodKind !== "unary").map(({ name }) => `${typeName}/${name}`),
  );
  expect(Object.keys(STREAMS).sort()).toEqual(streaming.sort());
});
