import { create, createFileRegistry, type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import * as protocol from "@streamkit/protocol";
import { Health } from "@streamkit/protocol/health";
import { v1, v1alpha } from "@streamkit/protocol/reflection";
import { expect, it } from "vitest";
import { operationOf } from "./operations.ts";

const OURS = Object.values(protocol).filter((item) => typeof item === "object" && "methods" in item);
const STANDARD = [Health, v1.ServerReflection, v1alpha.ServerReflection];

it("every RPC has one operation", () => {
  const found: Record<string, string> = {};
  for (const { methods } of [...OURS, ...STANDARD]) {
    for (const method of methods)
      found[`${method.parent.typeName}/${method.name}`] = protocol.Operation[operationOf(method)];
  }
  expect(found).toMatchInlineSnapshot(`
    {
      "grpc.health.v1.Health/Check": "NONE",
      "grpc.health.v1.Health/List": "NONE",
      "grpc.health.v1.Health/Watch": "NONE",
      "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": "AUTHENTICATED",
      "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": "AUTHENTICATED",
      "streamkit.v1.CursorService/CommitCursor": "COORDINATE",
      "streamkit.v1.CursorService/DeleteCursor": "COORDINATE",
      "streamkit.v1.CursorService/GetCursor": "COORDINATE",
      "streamkit.v1.CursorService/ListCursors": "COORDINATE",
      "streamkit.v1.LeaseService/AcquireLease": "COORDINATE",
      "streamkit.v1.LeaseService/GetLease": "COORDINATE",
      "streamkit.v1.LeaseService/ListLeases": "COORDINATE",
      "streamkit.v1.LeaseService/ReleaseLease": "COORDINATE",
      "streamkit.v1.LeaseService/RenewLease": "COORDINATE",
      "streamkit.v1.PresenceService/ListWorkers": "COORDINATE",
      "streamkit.v1.PresenceService/RenewWorker": "COORDINATE",
      "streamkit.v1.PresenceService/SubscribeToWorkers": "COORDINATE",
      "streamkit.v1.StoreService/DeleteStore": "ADMIN",
      "streamkit.v1.StoreService/GetServerInfo": "AUTHENTICATED",
      "streamkit.v1.StoreService/GetStore": "READ",
      "streamkit.v1.StoreService/ListStores": "READ",
      "streamkit.v1.StreamService/Append": "APPEND",
      "streamkit.v1.StreamService/Consume": "READ",
      "streamkit.v1.StreamService/ConsumeSegment": "READ",
      "streamkit.v1.StreamService/ConsumeSpace": "READ",
      "streamkit.v1.StreamService/DeleteSegment": "TRIM",
      "streamkit.v1.StreamService/DeleteSpace": "TRIM",
      "streamkit.v1.StreamService/GetSegmentStatus": "READ",
      "streamkit.v1.StreamService/GetSpaceStatus": "READ",
      "streamkit.v1.StreamService/ListSegments": "READ",
      "streamkit.v1.StreamService/ListSpaces": "READ",
      "streamkit.v1.StreamService/Peek": "READ",
      "streamkit.v1.StreamService/Produce": "APPEND",
      "streamkit.v1.StreamService/ReadSegment": "READ",
      "streamkit.v1.StreamService/ReadSpace": "READ",
      "streamkit.v1.StreamService/SubscribeToSegmentStatus": "READ",
      "streamkit.v1.StreamService/TrimSegment": "TRIM",
    }
  `);
});

it("refuses an RPC without an operation", () => {
  const file = create(FileDescriptorProtoSchema, {
    name: "x.proto",
    package: "x",
    syntax: "proto3",
    messageType: [{ name: "M" }],
    service: [{ name: "S", method: [{ name: "Call", inputType: ".x.M", outputType: ".x.M" }] }],
  });
  const copy = fromBinary(FileDescriptorProtoSchema, toBinary(FileDescriptorProtoSchema, file));
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [copy] }));
  const method = registry.getService("x.S")?.methods[0] as DescMethod;
  expect(() => operationOf(method)).toThrow("x.S/Call has no option (streamkit.v1.operation)");
});

it("decodes the option of a method once, because the gate asks for each call", () => {
  const { append } = protocol.StreamService.method;
  let looks = 0;
  const method: DescMethod = {
    ...append,
    get proto() {
      looks++;
      return append.proto;
    },
  };
  for (let call = 0; call < 3; call++) expect(operationOf(method)).toBe(protocol.Operation.APPEND);
  expect(looks).toBe(1);
});
