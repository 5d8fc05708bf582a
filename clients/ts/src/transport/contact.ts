import type { DescMethod } from "@bufbuild/protobuf";
import { connectionLost, located, misconfigured, retryable, StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import type { TransportDescription } from "./description.ts";

/**
 * What one client knows of the server at the other end of its transport: where it is, and which RPCs it has answered.
 *
 * A wrong address, an untrusted certificate and an HTML page for an answer are mistakes, told at once, for as long as
 * nothing else came from there. From a server that has answered before they are an outage, such as that of a proxy
 * whose servers restart, and are retried as one.
 */
export class Contact {
  private readonly description: TransportDescription | undefined;
  private readonly answered = new Set<string>();

  constructor(description: TransportDescription | undefined) {
    this.description = description;
  }

  /** Notes that a Streamkit server has answered. */
  heardOf(method: DescMethod): void {
    this.answered.add(method.name);
  }

  /** Has the transport check its connection, which fell silent. */
  probe(): void {
    this.description?.probe?.();
  }

  /** The error of a server that owes an answer and is silent. */
  silent(method: DescMethod, message: string): StreamkitError {
    return located(connectionLost(message), this.placeOf(method));
  }

  /** What a call threw, as the error that callers get. */
  async explain(thrown: unknown, method: DescMethod, signal: AbortSignal | undefined): Promise<StreamkitError> {
    const error = toStreamkitError(thrown, signal);
    if (error.reason === "CANCELED") return error;
    return located(this.weigh(await this.diagnose(error), method), this.placeOf(method));
  }

  /** Asks the transport what is wrong where nothing has ever been heard. */
  private async diagnose(error: StreamkitError): Promise<StreamkitError> {
    if (error.reason !== "CONNECTION_LOST" || this.answered.size > 0) return error;
    // Silence is no mistake, and asking again would take as long.
    if (error.cause === undefined || error.code === "deadline_exceeded") return error;
    const found = await this.description?.diagnose?.(error);
    return found === undefined ? error : misconfigured(found, error.cause);
  }

  private weigh(error: StreamkitError, method: DescMethod): StreamkitError {
    if (error.reason !== "MISCONFIGURED" || this.answered.size === 0) return error;
    // A server that is older than this client answers 404 for what it does not have.
    if (!this.answered.has(method.name) && error.code === "unimplemented") {
      const message = `the server has no ${method.name}, or another server answered: ${error.message}`;
      return new StreamkitError("UNIMPLEMENTED", error.code, message, { cause: error.cause });
    }
    return retryable(error, "CONNECTION_LOST");
  }

  private placeOf(method: DescMethod): string {
    const address = this.description?.address;
    return address === undefined ? method.name : `${method.name} at ${address}`;
  }
}
