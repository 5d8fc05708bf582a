import type { ServerControl, ServerUnderTest } from "./server-under-test.ts";

/** A server that runs somewhere, and that the runner can only call. */
export class RemoteServer implements ServerUnderTest {
  readonly name: string;
  readonly url: string;
  readonly generation = 0;
  readonly capabilities: readonly string[];

  /** @param anyStore whether cases may write stores of their own; otherwise all share one */
  constructor(url: string, options: { anyStore: boolean }) {
    this.name = url;
    this.url = url;
    this.capabilities = ["socket", ...(options.anyStore ? ["any_store"] : [])];
  }

  act(control: ServerControl): Promise<void> {
    return Promise.reject(new Error(`cannot ${control} a remote server`));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
