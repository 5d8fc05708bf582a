import type { Transport } from "@connectrpc/connect";
import { createStreamkitClient, type SegmentHandle } from "@streamkit/client";
import { inLanes } from "../tools/measure.ts";

/** Followers of one connection. */
const PER_CONNECTION = 100;
/** Followers that start at the same time. */
const STARTS = 64;

type Segment = SegmentHandle<Uint8Array, Uint8Array>;

/** Many followers of Streamkit's client, each of a segment of its own. */
export class Followers implements AsyncDisposable {
  readonly #transport: () => Transport;
  readonly #segmentOf: (client: ReturnType<typeof createStreamkitClient>, index: number) => Segment;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  readonly #client: ReturnType<typeof createStreamkitClient>;
  #delivered = 0;
  #failure: unknown;
  #wake: () => void = () => {};

  /** @param transport makes a transport with a connection of its own */
  constructor(
    transport: () => Transport,
    segmentOf: (client: ReturnType<typeof createStreamkitClient>, index: number) => Segment,
  ) {
    this.#transport = transport;
    this.#segmentOf = segmentOf;
    this.#client = createStreamkitClient({ transport: transport() });
  }

  /** Starts followers of the first `count` segments, which have one entry each, and waits for these entries. */
  async start(count: number): Promise<void> {
    let client = this.#client;
    await inLanes(count, STARTS, async (index) => {
      if (index % PER_CONNECTION === 0) client = createStreamkitClient({ transport: this.#transport() });
      await new Promise<void>((resolve, reject) => {
        this.#running.push(
          this.#follow(this.#segmentOf(client, index), resolve).catch((error) => {
            this.#failure ??= error;
            this.#wake();
            reject(error);
          }),
        );
      });
    });
  }

  /** Appends an entry to each of the first `count` segments, `rounds` times, and waits for their arrival. */
  async feed(count: number, rounds: number): Promise<void> {
    const expected = this.#delivered + count * rounds;
    await inLanes(count * rounds, STARTS, async (index) => {
      await this.#segmentOf(this.#client, index % count).append([new Uint8Array(256)]);
    });
    while (this.#delivered < expected) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#delivered !== expected) throw new Error(`${this.#delivered} entries arrived, expected ${expected}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #follow(segment: Segment, started: () => void): Promise<void> {
    const { signal } = this.#stop;
    try {
      for await (const _ of segment.follow({ signal })) {
        this.#delivered++;
        started();
        this.#wake();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      return;
    }
    if (!signal.aborted) throw new Error("a follower has ended");
  }
}
