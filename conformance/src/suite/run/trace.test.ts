import { create, toJsonString } from "@bufbuild/protobuf";
import { OperationSchema, TraceLineSchema } from "@streamkit/protocol/conformance";
import { expect, it } from "vitest";
import { Trace } from "./trace.ts";

it("keeps operations, without the token of a connection", () => {
  const trace = new Trace();
  const connect = create(OperationSchema, {
    id: 1n,
    actor: "main",
    action: { case: "connect", value: { url: "http://127.0.0.1:1", token: "t0p" } },
  });
  trace.operation(connect);
  const [line] = trace.lines;
  expect(toJsonString(TraceLineSchema, line!)).toContain("http://127.0.0.1:1");
  expect(toJsonString(TraceLineSchema, line!)).not.toContain("t0p");
  // The operation for the client still contains the token.
  expect(connect.action.value).toMatchObject({ token: "t0p" });
});
