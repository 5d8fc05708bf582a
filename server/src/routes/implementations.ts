import { type DescMethod, type DescService, type Message, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext, Interceptor } from "@connectrpc/connect";
import type { Operation } from "@streamkit/protocol";
import { operationOf } from "../access/operations.ts";
import { callStream, callUnary } from "./call.ts";
import type { UnaryShell } from "./error-interceptor.ts";

/** An RPC as its file in this folder implements it. The input is a message or an iterable of messages. */
export type Implement = (input: never, context: HandlerContext) => unknown;

/** An RPC with the message types of one format. */
interface Form {
  /** The method with these message types. Its path and kind are those of the public method. */
  readonly method: DescMethod;
  /**
   * The implementation without interceptors, for Connect's handlers: they run `Implementation.interceptors` themselves.
   */
  readonly implement: Implement;
}

/** A unary RPC. */
export interface UnaryForm extends Form {
  readonly kind: "unary";
  /**
   * Answers one call, including interceptors. Puts headers and trailers of the answer into the context.
   *
   * @throws ConnectError with one ErrorDetail; the failure is already reported and counted
   */
  readonly call: (request: Message, context: HandlerContext) => Promise<Message>;
  /** Encodes an answer in binary. */
  readonly encode: (answer: Message) => Uint8Array;
}

/** An RPC that streams answers, or both ways. An RPC with a single request reads it from the iterable. */
export interface StreamForm extends Form {
  readonly kind: "stream";
  /** Answers one call like `UnaryForm.call`. The iterable throws the ConnectError. */
  readonly call: (requests: AsyncIterable<Message>, context: HandlerContext) => AsyncIterable<Message>;
}

/** One RPC of the server, for every way in. */
export interface Implementation {
  /** Path of the requests, such as "/streamkit.v1.StreamService/Append". */
  readonly path: string;
  /** The method of the public proto. Its input decides on limits and scans of requests. */
  readonly method: DescMethod;
  /** The operation that a caller needs. */
  readonly operation: Operation;
  /** Form for binary messages: entries are opaque bytes. */
  readonly binary: UnaryForm | StreamForm;
  /** Form for JSON: the public messages. The same object as `binary` if the RPC carries no entries. */
  readonly json: UnaryForm | StreamForm;
  /** True if answers may leave as bytes that the implementation encoded; see direct-response.ts. */
  readonly direct: boolean;
  /** Interceptors of every call, the first one outermost. */
  readonly interceptors: readonly Interceptor[];
}

/** The RPCs of a server, by path. */
export type Implementations = ReadonlyMap<string, Implementation>;

/** The parts of one RPC. */
export interface ImplementationParts {
  readonly method: DescMethod;
  readonly implement: Implement;
  /** The form for binary formats. Absent if JSON and the binary formats use the same messages. */
  readonly opaque?: { readonly method: DescMethod; readonly implement: Implement };
  readonly direct?: boolean;
  /** Encodes answers in binary, into the bytes of the generated code. Default: the generated code. */
  readonly encode?: ((answer: never) => Uint8Array) | undefined;
}

/** Puts a check around an implementation. `method` is the public method. */
export type Guard = (method: DescMethod, implement: Implement) => Implement;

/** Collects the RPCs of a server. */
export class Registry {
  readonly #byPath = new Map<string, Implementation>();
  readonly #interceptors: readonly Interceptor[];
  readonly #shell: UnaryShell | undefined;
  readonly #guard: Guard;

  /**
   * @param interceptors interceptors of every call, the first one outermost
   * @param shell replaces the interceptors of unary calls at a lower cost; only for servers without interceptors of the
   * application
   * @param guard puts authorization around each implementation. Default: none
   */
  constructor(interceptors: readonly Interceptor[], shell?: UnaryShell, guard: Guard = (_, implement) => implement) {
    this.#guard = guard;
    this.#interceptors = interceptors;
    this.#shell = shell;
  }

  get implementations(): Implementations {
    return this.#byPath;
  }

  /**
   * Adds one RPC.
   *
   * @throws TypeError if the proto of the RPC names no operation
   */
  add({ method, implement, opaque, direct = false, encode }: ImplementationParts): void {
    const path = `/${method.parent.typeName}/${method.name}`;
    const json = this.#form(method, this.#guard(method, implement));
    const binary =
      opaque === undefined ? json : this.#form(opaque.method, this.#guard(method, opaque.implement), encode);
    this.#byPath.set(path, {
      path,
      method,
      operation: operationOf(method),
      binary,
      json,
      direct,
      interceptors: this.#interceptors,
    });
  }

  /** Adds all RPCs of a service. The implementation has a function for each, under its TypeScript name. */
  addService(
    service: DescService,
    implementation: object,
    isDirect: (method: DescMethod) => boolean = () => false,
  ): void {
    const functions = implementation as Readonly<Record<string, Implement>>;
    for (const method of service.methods) {
      const implement = functions[method.localName].bind(implementation);
      this.add({ method, implement, direct: isDirect(method) });
    }
  }

  #form(
    method: DescMethod,
    implement: Implement,
    encode: (answer: never) => Uint8Array = (answer: Message) => toBinary(method.output, answer),
  ): UnaryForm | StreamForm {
    const parts = { method, implement, interceptors: this.#interceptors, shell: this.#shell };
    return method.methodKind === "unary"
      ? {
          kind: "unary",
          method,
          implement,
          encode: encode as UnaryForm["encode"],
          call: (request, context) => callUnary(parts, request, context),
        }
      : { kind: "stream", method, implement, call: (requests, context) => callStream(parts, requests, context) };
  }
}
