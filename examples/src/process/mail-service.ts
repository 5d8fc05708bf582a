import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";

export interface Message {
  readonly to: string;
  readonly subject: string;
}

/** An answered request. */
export interface MailRequest extends Message {
  readonly key: string;
  readonly status: number;
}

/** An outside system that answers as the test tells it to, and remembers its requests. */
export class MailService {
  /** Requests in the order of their answers. */
  readonly answered: MailRequest[] = [];
  /**
   * Each function answers a held request with 202. A request is no longer held once its client gives up and asks again.
   */
  readonly held: (() => void)[] = [];
  /** Selects the status of the answer to a request; "hold" for a later answer. */
  answer: (message: Message) => number | "hold" = () => 202;
  readonly #server = createServer(async (request, response) => {
    const message: Message = JSON.parse((await buffer(request)).toString());
    const key = String(request.headers["idempotency-key"]);
    const respond = (status: number) => this.#respond({ ...message, key, status }, response);
    const answer = this.answer(message);
    if (answer === "hold") this.#hold(() => respond(202), response);
    else respond(answer);
  });

  /** Starts a service on a free port. It ends with the test. */
  static async start(): Promise<MailService> {
    const service = new MailService();
    const server = service.#server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/send`;
  }

  /** Accepted messages, including repetitions. */
  get taken(): MailRequest[] {
    return this.answered.filter(({ status }) => status === 202);
  }

  /** The keys of the accepted messages. */
  get keys(): Set<string> {
    return new Set(this.taken.map(({ key }) => key));
  }

  #hold(respond: () => void, response: ServerResponse): void {
    this.held.push(respond);
    response.once("close", () => {
      const index = this.held.indexOf(respond);
      if (index >= 0) this.held.splice(index, 1);
    });
  }

  #respond(request: MailRequest, response: ServerResponse): void {
    this.answered.push(request);
    response.statusCode = request.status;
    response.end(request.status === 422 ? "no such mailbox" : "");
  }
}
