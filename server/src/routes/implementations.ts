import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import type { HandlerContext, Interceptor } from "@connectrpc/connect";
import { callStream, callUnary } from "./call.ts";

/** An RPC as its file in this folder writes it: a message, or messages, and the context of the call. */
export type Implement = (input: never, context: HandlerContext) => unknown;

/** An RPC in the messages that one format has. */
interface Form {
  /** Names the messages. Path and kind are those of the public method. */
  readonly method: DescMethod;
  /** Without interceptors, for Connect's handlers: they run `Implementation.interceptors` by themselves. */
  readonly implement: Implement;
}

/** A unary RPC. */
export interface UnaryForm extends Form {
  readonly kind: "unary";
  /**
   * Answers one call, interceptors included. Headers and trailers of the answer are in the context.
   *
   * @throws ConnectError with one ErrorDetail; the failure is reported and counted already
   */
  readonly call: (request: Message, context: HandlerContext) => Promise<Message>;
}

/** An RPC that streams answers, or both ways. One that takes a single request reads it from the iterable. */
export interface StreamForm extends Form {
  readonly kind: "stream";
  /** As `UnaryForm.call`; the iterable throws the ConnectError. */
  readonly call: (requests: AsyncIterable<Message>, context: HandlerContext) => AsyncIterable<Message>;
}

/** One RPC of the server, for every way in. */
export interface Implementation {
  /** Of its requests: "/streamkit.v1.StreamService/Append". */
  readonly path: string;
  /** The method of the public proto. Limits and scans of requests go by its input. */
  readonly method: DescMethod;
  /** For binary messages: entries are opaque bytes. */
  readonly binary: UnaryForm | StreamForm;
  /** For JSON: the public messages. The same as `binary` where no entries are carried. */
  readonly json: UnaryForm | StreamForm;
  /** True if answers may leave as bytes that the implementation encoded; see direct-response.ts. */
  readonly direct: boolean;
  /** Run around every call, the first one outermost. */
  readonly interceptors: readonly Interceptor[];
}

/** The RPCs of a server, by path. */
export type Implementations = ReadonlyMap<string, Implementation>;

/** What one RPC is made of. */
export interface ImplementationParts {
  readonly method: DescMethod;
  readonly implement: Implement;
  /** Set where JSON needs other messages than the binary formats. */
  readonly opaque?: { readonly method: DescMethod; readonly implement: Implement };
  readonly direct?: boolean;
}

/** Collects the RPCs of a server. */
export class Registry {
  readonly #byPath = new Map<string, Implementation>();
  readonly #interceptors: readonly Interceptor[];

  /** @param interceptors run around every call, the first one outermost */
  constructor(interceptors: readonly Interceptor[]) {
    this.#interceptors = interceptors;
  }

  get implementations(): Implementations {
    return this.#byPath;
  }

  /** Adds one RPC. */
  add({ method, implement, opaque, direct = false }: ImplementationParts): void {
    const path = `/${method.parent.typeName}/${method.name}`;
    const json = this.#form(method, implement);
    const binary = opaque === undefined ? json : this.#form(opaque.method, opaque.implement);
    this.#byPath.set(path, { path, method, binary, json, direct, interceptors: this.#interceptors });
  }

  /** Adds all RPCs of a service. The implementation has a function for each, by its name in TypeScript. */
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

  #form(method: DescMethod, implement: Implement): UnaryForm | StreamForm {
    const parts = { method, implement, interceptors: this.#interceptors };
    return method.methodKind === "unary"
      ? { kind: "unary", method, implement, call: (request, context) => callUnary(parts, request, context) }
      : { kind: "stream", method, implement, call: (requests, context) => callStream(parts, requests, context) };
  }
}
