import type { ServerControl, ServerUnderTest } from "./server-under-test.ts";

/** A running server that the runner can only call. */
export class RemoteServer implements ServerUnderTest {
  readonly name: string;
  readonly url: string;
  readonly generation = 0;
  readonly capabilities: readonly string[];

  /** @param anyStore true if cases may create their own stores; otherwise all cases share one */
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
