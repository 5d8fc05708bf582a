import { type DescFile, type DescService, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type HandlerContext } from "@connectrpc/connect";
import { ErrorReason, file_streamkit_v1_errors } from "@streamkit/protocol";
import { v1, v1alpha } from "@streamkit/protocol/reflection";
import { ServerError } from "../errors.ts";
import type { Registry } from "./implementations.ts";
import { unlessAborted } from "./unless-aborted.ts";

type Request = v1.ServerReflectionRequest | v1alpha.ServerReflectionRequest;

/**
 * The standard server reflection service, in both versions that tools use. With it, grpcurl and buf curl need no proto
 * files for requests, answers and details of errors.
 */
export function reflectionRoutes(registry: Registry, services: readonly DescService[], shutdown: AbortSignal): void {
  const described = [...services, v1.ServerReflection, v1alpha.ServerReflection];
  // Tools look up the details of errors, but no method refers to that file.
  const index = indexFiles([...described.map((service) => service.file), file_streamkit_v1_errors]);
  const answer = (request: Request) => {
    const messageResponse = respond(request, described, index);
    return { validHost: request.host, originalRequest: request, messageResponse };
  };
  const serverReflectionInfo = (requests: AsyncIterable<Request>, { signal }: HandlerContext) =>
    answerEach(requests, answer, signal, shutdown) as never;
  registry.addService(v1.ServerReflection, { serverReflectionInfo });
  registry.addService(v1alpha.ServerReflection, { serverReflectionInfo });
}

async function* answerEach<T>(
  requests: AsyncIterable<Request>,
  answer: (request: Request) => T,
  signal: AbortSignal,
  shutdown: AbortSignal,
): AsyncGenerator<T> {
  const waiting = requests[Symbol.asyncIterator]();
  const ended = AbortSignal.any([signal, shutdown]);
  for (;;) {
    const next = await unlessAborted(waiting.next(), ended).catch((error) => {
      if (!shutdown.aborted || signal.aborted) throw error;
      throw new ServerError(ErrorReason.SHUTTING_DOWN, "the server is shutting down");
    });
    if (next.done === true) return;
    yield answer(next.value);
  }
}

interface FileIndex {
  readonly byName: ReadonlyMap<string, DescFile>;
  readonly bySymbol: ReadonlyMap<string, DescFile>;
  /** Files of extensions: by the name of the extended message, then by field number. */
  readonly byExtension: ReadonlyMap<string, ReadonlyMap<number, DescFile>>;
}

function indexFiles(roots: readonly DescFile[]): FileIndex {
  const byName = new Map<string, DescFile>();
  const bySymbol = new Map<string, DescFile>();
  const byExtension = new Map<string, Map<number, DescFile>>();
  const add = (file: DescFile) => {
    const name = file.proto.name;
    if (byName.has(name)) return;
    byName.set(name, file);
    const addMessages = (messages: DescFile["messages"]) => {
      for (const message of messages) {
        bySymbol.set(message.typeName, file);
        addMessages(message.nestedMessages);
        for (const nested of message.nestedEnums) bySymbol.set(nested.typeName, file);
      }
    };
    addMessages(file.messages);
    for (const item of file.enums) bySymbol.set(item.typeName, file);
    for (const extension of file.extensions) {
      bySymbol.set(extension.typeName, file);
      const extended = extension.extendee.typeName;
      byExtension.set(extended, (byExtension.get(extended) ?? new Map()).set(extension.number, file));
    }
    for (const service of file.services) {
      bySymbol.set(service.typeName, file);
      for (const method of service.methods) bySymbol.set(`${service.typeName}.${method.name}`, file);
    }
    file.dependencies.forEach(add);
  };
  roots.forEach(add);
  return { byName, bySymbol, byExtension };
}

function respond(request: Request, services: readonly DescService[], index: FileIndex) {
  const { messageRequest } = request;
  switch (messageRequest.case) {
    case "listServices":
      return {
        case: "listServicesResponse" as const,
        value: { service: services.map((service) => ({ name: service.typeName })) },
      };
    case "fileByFilename":
      return files(index.byName.get(messageRequest.value), `file "${messageRequest.value}"`);
    case "fileContainingSymbol":
      return files(index.bySymbol.get(messageRequest.value), `symbol "${messageRequest.value}"`);
    case "allExtensionNumbersOfType":
      return {
        case: "allExtensionNumbersResponse" as const,
        value: {
          baseTypeName: messageRequest.value,
          extensionNumber: [...(index.byExtension.get(messageRequest.value)?.keys() ?? [])],
        },
      };
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = messageRequest.value;
      const file = index.byExtension.get(containingType)?.get(extensionNumber);
      return files(file, `extension ${extensionNumber} of "${containingType}"`);
    }
    default:
      return failure(
        Code.InvalidArgument,
        "message_request is missing; expected a question about services, files or symbols",
      );
  }
}

/** Returns a file with all its imports, so that the client need not ask again. */
function files(file: DescFile | undefined, what: string) {
  if (file === undefined) return failure(Code.NotFound, `there is no ${what}`);
  const found = new Map<string, Uint8Array>();
  const add = (next: DescFile) => {
    if (found.has(next.proto.name)) return;
    found.set(next.proto.name, toBinary(FileDescriptorProtoSchema, next.proto));
    next.dependencies.forEach(add);
  };
  add(file);
  return { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto: [...found.values()] } };
}

function failure(errorCode: Code, errorMessage: string) {
  return { case: "errorResponse" as const, value: { errorCode, errorMessage } };
}
