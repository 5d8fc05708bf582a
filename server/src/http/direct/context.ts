import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type HandlerContext } from "@connectrpc/connect";
import type { Account } from "../../budgets/account.ts";
import { peerKey } from "../../budgets/peer.ts";
import type { Framing } from "./framing.ts";

/** Headers that the reader of a request takes out; see routes/reading/read-request.ts. */
const READ: Readonly<Record<Framing["protocol"], readonly string[]>> = {
  connect: ["content-encoding", "accept-encoding", "content-length"],
  grpc: ["grpc-encoding", "grpc-accept-encoding", "content-length"],
};

/** The context of one call that is answered directly. */
export class DirectContext implements HandlerContext {
  readonly method: DescMethod;
  readonly requestMethod = "POST";
  readonly protocolName: Framing["protocol"];
  readonly values = createContextValues();
  readonly responseHeader = new Headers();
  readonly responseTrailer = new Headers();
  readonly timeoutMs: () => number | undefined;
  readonly #request: IncomingMessage | Http2ServerRequest;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  #requestHeader: Headers | undefined;

  constructor(
    method: DescMethod,
    request: IncomingMessage | Http2ServerRequest,
    { protocol, timeoutMillis }: Framing,
    account: Account,
  ) {
    this.method = method;
    this.#request = request;
    this.protocolName = protocol;
    this.values.set(peerKey, { account });
    const due = timeoutMillis === undefined ? undefined : Date.now() + timeoutMillis;
    this.timeoutMs = () => (due === undefined ? undefined : due - Date.now());
    if (timeoutMillis === undefined) return;
    const late = () => this.#controller.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    if (timeoutMillis === 0) late();
    else this.#timer = setTimeout(late, timeoutMillis);
  }

  get service() {
    return this.method.parent;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get url(): string {
    return `http://streamkit.invalid${this.#request.url}`;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= this.#readHeaders();
    return this.#requestHeader;
  }

  /** The client ended the call. */
  cancel(): void {
    this.#controller.abort(new ConnectError("the client ended the call", Code.Canceled));
  }

  /** The answer is known. */
  end(): void {
    clearTimeout(this.#timer);
  }

  #readHeaders(): Headers {
    const result = new Headers();
    for (const [name, value] of Object.entries(this.#request.headers)) {
      if (value === undefined || name.startsWith(":") || READ[this.protocolName].includes(name)) continue;
      for (const item of Array.isArray(value) ? value : [value]) result.append(name, item);
    }
    return result;
  }
}
