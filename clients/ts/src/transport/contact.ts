import type { DescMethod } from "@bufbuild/protobuf";
import { connectionLost, judged, located, misconfigured, StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import type { TransportDescription } from "./description.ts";

/**
 * The knowledge of one client about the server behind its transport: the address, and the RPCs that it has answered.
 *
 * A wrong address, an untrusted certificate and an HTML page as an answer are mistakes, which the client reports at
 * once. If the server has answered before, they are an outage, for example of a proxy whose servers restart, and the
 * client retries.
 */
export class Contact {
  readonly #description: TransportDescription | undefined;
  readonly #answered = new Set<string>();

  constructor(description: TransportDescription | undefined) {
    this.#description = description;
  }

  /** Notes that a Streamkit server has answered this RPC. */
  heardOf(method: DescMethod): void {
    this.#answered.add(method.name);
  }

  /** Lets the transport check its connection, which fell silent. */
  probe(): void {
    this.#description?.probe?.();
  }

  /** The error of a server that owes an answer but is silent. */
  silent(method: DescMethod, message: string): StreamkitError {
    return located(connectionLost(message), this.#placeOf(method));
  }

  /** Translates the error of a call into the error that callers get. */
  async explain(thrown: unknown, method: DescMethod, signal: AbortSignal | undefined): Promise<StreamkitError> {
    const error = toStreamkitError(thrown, signal);
    if (error.reason === "CANCELED") return error;
    return located(this.#weigh(await this.#diagnose(error), method), this.#placeOf(method));
  }

  /** Asks the transport for the reason of a failure, if the server has never answered. */
  async #diagnose(error: StreamkitError): Promise<StreamkitError> {
    if (error.reason !== "CONNECTION_LOST" || this.#answered.size > 0) return error;
    // Silence is no mistake, and a diagnosis would take as long as the call did.
    if (error.cause === undefined || error.code === "deadline_exceeded") return error;
    const found = await this.#description?.diagnose?.(error);
    return found === undefined ? error : misconfigured(found, error.cause);
  }

  #weigh(error: StreamkitError, method: DescMethod): StreamkitError {
    if (error.reason !== "MISCONFIGURED" || this.#answered.size === 0) return error;
    // A server that is older than this client answers 404 for an RPC that it does not have.
    if (!this.#answered.has(method.name) && error.code === "unimplemented") {
      const message = `the server has no ${method.name}, or another server answered: ${error.message}`;
      return new StreamkitError("UNIMPLEMENTED", error.code, message, { cause: error.cause });
    }
    return judged(error, true, "CONNECTION_LOST");
  }

  #placeOf(method: DescMethod): string {
    const address = this.#description?.address;
    return address === undefined ? method.name : `${method.name} at ${address}`;
  }
}
