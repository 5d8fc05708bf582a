import { valueAt } from "../../tools/quantiles.ts";
import type { Random } from "./random.ts";
import type { RequestKind, StorageModel } from "./scenario.ts";
import type { Timeline } from "./timeline.ts";
import { TokenBucket } from "./token-bucket.ts";

/** The storage: latency, a condition on the head of each space, and limits. */
export class TableService {
  readonly #timeline: Timeline;
  readonly #model: StorageModel;
  readonly #random: Random;
  readonly #account: TokenBucket;
  readonly #partitions: TokenBucket[];
  readonly #versions: number[];
  #busyUntil = 0;

  constructor(timeline: Timeline, model: StorageModel, random: Random, spaces: number) {
    this.#timeline = timeline;
    this.#model = model;
    this.#random = random;
    this.#account = new TokenBucket(model.requestsPerSecond);
    this.#partitions = Array.from({ length: spaces }, () => new TokenBucket(model.entitiesPerSecond));
    this.#versions = Array.from({ length: spaces }, () => 0);
  }

  /** Current version of the head of a space. */
  version(space: number): number {
    return this.#versions[space];
  }

  /** Commits if the head still has this version. Returns the new version, or `undefined` for a conflict. */
  commit(space: number, version: number): number | undefined {
    if (this.#versions[space] !== version) return undefined;
    this.#versions[space] = version + 1;
    return version + 1;
  }

  /**
   * Sends a request.
   *
   * @param serve called when the storage handles the request; not called for a refused request
   * @param answered called when the answer is back, with `undefined` if the request was refused as too many
   */
  send<Result extends object>(
    kind: RequestKind,
    space: number,
    entities: number,
    serve: () => Result,
    answered: (result: Result | undefined) => void,
  ): void {
    const latency = valueAt(this.#model.latency[kind], this.#random.next());
    const service = Math.min(this.#model.serviceMillis[kind], latency);
    const way = (latency - service) / 2;
    this.#timeline.after(way, () => {
      const { now } = this.#timeline;
      if (!this.#account.take(1, now) || !this.#partitions[space].take(entities, now)) {
        this.#timeline.after(way, () => answered(undefined));
        return;
      }
      this.#busyUntil = Math.max(now, this.#busyUntil) + service;
      this.#timeline.after(this.#busyUntil - now, () => {
        const result = serve();
        this.#timeline.after(way, () => answered(result));
      });
    });
  }
}
