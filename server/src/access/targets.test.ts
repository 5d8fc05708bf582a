import { create, createFileRegistry, type DescMethod, fromBinary, setExtension, toBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { Operation, operation, StreamService } from "@streamkit/protocol";
import { expect, it } from "vitest";
import { accessPlan, targetsOf } from "./targets.ts";

/** A method that reads, with a request of text fields. */
function methodWith(...fields: string[]): DescMethod {
  const options = create(MethodOptionsSchema);
  setExtension(options, operation, Operation.READ);
  const file = create(FileDescriptorProtoSchema, {
    name: "x.proto",
    package: "x",
    syntax: "proto3",
    messageType: [
      {
        name: "M",
        field: fields.map((name, at) => ({ name, number: at + 1, type: FieldDescriptorProto_Type.STRING })),
      },
    ] as DescriptorProto[],
    service: [{ name: "S", method: [{ name: "Call", inputType: ".x.M", outputType: ".x.M", options }] }],
  });
  const copy = fromBinary(FileDescriptorProtoSchema, toBinary(FileDescriptorProtoSchema, file));
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [copy] }));
  return registry.getService("x.S")?.methods[0] as DescMethod;
}

it("refuses a field with text that may name a part of a store", () => {
  expect(accessPlan(methodWith("store_id", "space", "holder")).rule).toBe("targets");
  expect(() => accessPlan(methodWith("store_id", "tenant"))).toThrow("x.S/Call: the field tenant has no rule");
});

const status = accessPlan(StreamService.method.subscribeToSegmentStatus);
const consume = accessPlan(StreamService.method.consume);
const storeId = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const store = storeId;

it("finds every part that a message names", () => {
  const space = "s";
  expect(targetsOf(status, { storeId, space, segment: "", segmentPrefix: "" })).toEqual([{ store, space }]);
  expect(targetsOf(status, { storeId, space, segment: "a", segmentPrefix: "" })).toEqual([
    { store, space, segment: "a" },
  ]);
  expect(targetsOf(status, { storeId, space, segment: "a", segmentPrefix: "b" })).toEqual([
    { store, space, segment: "a" },
    { store, space, segment: { prefix: "b" } },
  ]);
  expect(targetsOf(consume, { storeId, spaces: { a: 0n, b: 1n } })).toEqual([
    { store, space: "a" },
    { store, space: "b" },
  ]);
  expect(targetsOf(consume, { storeId, spaces: {} })).toEqual([{ store }]);
});
