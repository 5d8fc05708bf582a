/**
 * Tools without proto files: grpcurl and similar tools ask the server for the types of the messages that they send and
 * show (M14).
 */
import { create, createFileRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorDetailSchema, ErrorReason, operation, StreamService } from "@streamkit/protocol";
import { v1, v1alpha } from "@streamkit/protocol/reflection";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStreamkit, memoryStorage, type Streamkit } from "../src/index.ts";

let streamkit: Streamkit;
let url: string;
beforeAll(async () => {
  streamkit = createStreamkit({ storage: memoryStorage() });
  url = (await streamkit.listen({ port: 0 })).url;
});
afterAll(() => streamkit.close());

function importsFirst(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const sorted = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto) => {
    for (const name of file.dependency) for (const other of files) if (other.name === name) add(other);
    sorted.add(file);
  };
  files.forEach(add);
  return [...sorted];
}

describe.each([
  ["v1", v1.ServerReflection],
  ["v1alpha", v1alpha.ServerReflection],
])("reflection %s", (_, service) => {
  /** Requests the file of a symbol with all its imports, as tools do. */
  async function registryOf(symbol: string) {
    const client = createClient(service as typeof v1.ServerReflection, createGrpcTransport({ baseUrl: url }));
    async function* ask() {
      yield { host: "", messageRequest: { case: "fileContainingSymbol" as const, value: symbol } };
    }
    for await (const { messageResponse } of client.serverReflectionInfo(ask())) {
      if (messageResponse.case !== "fileDescriptorResponse") throw new Error(`no file for ${symbol}`);
      const file = messageResponse.value.fileDescriptorProto.map((bytes) =>
        fromBinary(FileDescriptorProtoSchema, bytes),
      );
      return createFileRegistry(create(FileDescriptorSetSchema, { file: importsFirst(file) }));
    }
    throw new Error("no answer");
  }

  it("describes the details of an error, so that a tool can show them", async () => {
    const client = createClient(StreamService, createGrpcTransport({ baseUrl: url }));
    const error = await client.peek({ storeId: "x", space: "s", segment: "a" }).catch(ConnectError.from);
    const [detail] = (error as ConnectError).details as { type: string; value: Uint8Array }[];
    const message = (await registryOf(detail.type)).getMessage(detail.type);
    if (message === undefined) throw new Error(`${detail.type} is not described`);
    expect(toJson(message, fromBinary(message, detail.value))).toEqual({
      reason: "ERROR_REASON_INVALID_FIELD",
      fieldViolations: [{ field: "store_id", description: expect.any(String) }],
    });
  });

  it.each([
    "streamkit.v1.ErrorReason",
    "streamkit.v1.FieldViolation",
    "streamkit.v1.StreamService",
    "streamkit.v1.StreamService.Append",
    "streamkit.v1.Limits",
    "streamkit.v1.operation",
    "google.protobuf.Duration",
    "grpc.health.v1.Health",
  ])("describes %s", async (symbol) => {
    expect([...(await registryOf(symbol)).files].length).toBeGreaterThan(0);
  });

  it("describes the option that names the operation of an RPC", async () => {
    const client = createClient(service as typeof v1.ServerReflection, createGrpcTransport({ baseUrl: url }));
    const containingType = "google.protobuf.MethodOptions";
    async function* ask() {
      yield { messageRequest: { case: "allExtensionNumbersOfType" as const, value: containingType } };
      const extensionNumber = operation.number;
      yield {
        messageRequest: { case: "fileContainingExtension" as const, value: { containingType, extensionNumber } },
      };
    }
    const answers = [];
    for await (const { messageResponse } of client.serverReflectionInfo(ask())) answers.push(messageResponse);
    expect(answers[0].value).toMatchObject({ extensionNumber: [50719] });
    expect(answers[1].case).toBe("fileDescriptorResponse");
  });
});

it("a stream that waits for the next question does not delay the end of the server", async () => {
  const other = createStreamkit({ storage: memoryStorage() });
  const { url } = await other.listen({ port: 0 });
  const client = createClient(v1.ServerReflection, createGrpcTransport({ baseUrl: url }));
  const { promise: left, resolve: leave } = Promise.withResolvers<void>();
  async function* ask() {
    yield { messageRequest: { case: "listServices" as const, value: "" } };
    await left;
  }
  const answers = client.serverReflectionInfo(ask())[Symbol.asyncIterator]();
  expect((await answers.next()).done).toBe(false);
  const closing = other.close();
  const error = ConnectError.from(await answers.next().catch((thrown) => thrown));
  expect(error.findDetails(ErrorDetailSchema)[0]?.reason).toBe(ErrorReason.SHUTTING_DOWN);
  leave();
  await closing;
});
