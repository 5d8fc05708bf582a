import { type ChildProcess, spawn } from "node:child_process";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  FailureSchema,
  type Hello,
  ObservationSchema,
  type Operation,
  OperationSchema,
} from "@streamkit/protocol/conformance";
import type { ClientUnderTest, Observer } from "./client-under-test.ts";
import { frame, unframe } from "./framing.ts";

/**
 * A client under test in any language: a program that reads operations from stdin and writes observations to stdout.
 */
export class ProgramClient implements ClientUnderTest {
  readonly hello: Hello;
  readonly #process: ChildProcess;
  readonly #open = new Set<bigint>();

  private constructor(process: ChildProcess, hello: Hello) {
    this.#process = process;
    this.hello = hello;
  }

  /**
   * Starts the program in a shell and waits for its hello.
   *
   * @throws Error if the program ends before its hello
   */
  static async start(command: string, observe: Observer): Promise<ProgramClient> {
    const child = spawn(command, { shell: true, stdio: ["pipe", "pipe", "inherit"] });
    const messages = unframe(child.stdout);
    const first = await messages.next();
    const introduction = first.done ? undefined : fromBinary(ObservationSchema, first.value);
    if (introduction?.event.case !== "hello")
      throw new Error(`${command}: the program ended or sent something else before its hello`);
    const client = new ProgramClient(child, introduction.event.value);
    void client.#pump(messages, observe);
    return client;
  }

  perform(operation: Operation): void {
    if (["connect", "call", "disconnect"].includes(operation.action.case ?? "")) this.#open.add(operation.id);
    this.#process.stdin?.write(frame(toBinary(OperationSchema, operation)));
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.stdin?.end();
    const late = setTimeout(() => this.#process.kill("SIGKILL"), 2_000);
    await exited;
    clearTimeout(late);
  }

  async #pump(messages: AsyncIterable<Uint8Array>, observe: Observer): Promise<void> {
    try {
      for await (const bytes of messages) {
        const observation = fromBinary(ObservationSchema, bytes);
        if (observation.event.case === "end") this.#open.delete(observation.operationId);
        observe(observation);
      }
    } finally {
      const failure = create(FailureSchema, { code: "UNKNOWN", message: "the client program has ended" });
      for (const operationId of this.#open) {
        observe(create(ObservationSchema, { operationId, event: { case: "end", value: { failure } } }));
      }
    }
  }
}
