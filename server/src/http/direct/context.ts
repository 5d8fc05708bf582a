import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { AccessRequest } from "../../access/principal.ts";
import type { Account } from "../../budgets/account.ts";
import { peerKey } from "../../budgets/peer.ts";
import { LazyContext } from "../../routes/lazy-context.ts";
import { peerOf } from "../peer-certificate.ts";
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

  /** Describes the call for authentication. Creates no headers of the Fetch API. */
  accessRequest(): AccessRequest {
    const { headers } = this.#request;
    const get = (name: string) => {
      const value = headers[name.toLowerCase()];
      return value === undefined ? null : String(value);
    };
    const peer = peerOf(this.#request);
    return { headers: { get }, transport: "http", ...(peer && { peer }) };
  }

  protected readHeaders(): Headers {
    return toWebHeaders(this.#request.headers, READ[this.protocolName]);
  }
}
