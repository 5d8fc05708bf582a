import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Account } from "../../budgets/account.ts";
import { peerKey } from "../../budgets/peer.ts";
import { LazyContext } from "../../routes/lazy-context.ts";
import { toWebHeaders } from "../request-headers.ts";
import type { Framing } from "./framing.ts";

/** Headers that the reader of a request removes; see routes/reading/read-request.ts. */
const READ: Readonly<Record<Framing["protocol"], readonly string[]>> = {
  connect: ["content-encoding", "accept-encoding", "content-length"],
  grpc: ["grpc-encoding", "grpc-accept-encoding", "content-length"],
};

/** The context of one call that is answered directly. */
export class DirectContext extends LazyContext {
  readonly protocolName: Framing["protocol"];
  readonly #request: IncomingMessage | Http2ServerRequest;
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(
    method: DescMethod,
    request: IncomingMessage | Http2ServerRequest,
    { protocol, timeoutMillis }: Framing,
    account: Account,
  ) {
    super(method, timeoutMillis);
    this.#request = request;
    this.protocolName = protocol;
    this.values.set(peerKey, { account });
    if (timeoutMillis === undefined) return;
    const late = () => this.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    if (timeoutMillis === 0) late();
    else this.#timer = setTimeout(late, timeoutMillis);
  }

  get url(): string {
    return `http://streamkit.invalid${this.#request.url}`;
  }

  /** Aborts the call because its client has ended it. Returns the reason of the abort. */
  cancel(): Error {
    return this.abort(new ConnectError("the client ended the call", Code.Canceled));
  }

  /** Stops the timer of the deadline, because the answer is known. */
  end(): void {
    clearTimeout(this.#timer);
  }

  protected readHeaders(): Headers {
    return toWebHeaders(this.#request.headers, READ[this.protocolName]);
  }
}
