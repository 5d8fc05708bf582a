import type { Transport } from "@connectrpc/connect";
import { toStreamkitError } from "../errors/from-connect.ts";
import { unlessAborted } from "../silence.ts";
import type { HttpVersion } from "./find-version.ts";

/** Failures in a row without an answer after which another server may be at the address. */
const MAX_FAILURES = 2;

/**
 * A transport that finds out the HTTP version of its server at the first call, and remembers it. It asks again after an
 * answer in another version, or after several calls without an answer, because another server or a proxy may be at the
 * address by then.
 */
export class FindingTransport implements Transport {
  readonly #find: () => Promise<HttpVersion>;
  readonly #make: (version: HttpVersion) => Transport;
  readonly #transports = new Map<HttpVersion, Transport>();
  #known: HttpVersion | undefined;
  #finding: Promise<HttpVersion> | undefined;
  #failures = 0;

  /** @param make makes the transport of a version; called once per version */
  constructor(find: () => Promise<HttpVersion>, make: (version: HttpVersion) => Transport) {
    this.#find = find;
    this.#make = make;
  }

  /** The version of the server, or a promise while the version is unknown. */
  version(): HttpVersion | Promise<HttpVersion> {
    if (this.#known !== undefined) return this.#known;
    this.#finding ??= this.#find()
      .then((version) => {
        this.#known = version;
        this.#failures = 0;
        return version;
      })
      .finally(() => {
        this.#finding = undefined;
      });
    return this.#finding;
  }

  readonly unary: Transport["unary"] = (method, signal, ...rest) =>
    this.#run(signal, (transport) => transport.unary(method, signal, ...rest));

  readonly stream: Transport["stream"] = (method, signal, ...rest) =>
    this.#run(signal, (transport) => transport.stream(method, signal, ...rest));

  async #run<R>(signal: AbortSignal | undefined, call: (transport: Transport) => Promise<R>): Promise<R> {
    let version = this.version();
    if (typeof version !== "string") version = await (signal === undefined ? version : unlessAborted(version, signal));
    try {
      const response = await call(this.#transport(version));
      this.#failures = 0;
      return response;
    } catch (thrown) {
      if (!signal?.aborted) this.#failed(thrown);
      throw thrown;
    }
  }

  #transport(version: HttpVersion): Transport {
    let transport = this.#transports.get(version);
    if (transport === undefined) {
      transport = this.#make(version);
      this.#transports.set(version, transport);
    }
    return transport;
  }

  #failed(thrown: unknown): void {
    const { reason } = toStreamkitError(thrown);
    if (reason !== "CONNECTION_LOST" && reason !== "MISCONFIGURED") {
      this.#failures = 0;
      return;
    }
    this.#failures += 1;
    if (this.#failures >= MAX_FAILURES || isOfOtherVersion(thrown)) this.#known = undefined;
  }
}

/** True for the errors of Node.js about an answer in another version of HTTP. */
function isOfOtherVersion(thrown: unknown): boolean {
  const code = thrown instanceof Error ? (thrown.cause as { code?: unknown } | undefined)?.code : undefined;
  return typeof code === "string" && (code === "ERR_HTTP2_ERROR" || code.startsWith("HPE_"));
}
