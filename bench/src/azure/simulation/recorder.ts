import { percentile } from "../../tools/statistics.ts";
import type { Outcome, Scenario } from "./scenario.ts";

/** Records the events in the measured part of a simulation. */
export class Recorder {
  readonly #from: number;
  readonly #millis: number;
  readonly #appends: number[];
  readonly #latencies: number[] = [];
  #commits = 0;
  #conflicts = 0;
  #reads = 0;
  #rows = 0;
  #throttled = 0;
  #digest = 0;

  constructor({ instances, warmUpMillis, millis }: Scenario) {
    this.#from = warmUpMillis;
    this.#millis = millis;
    this.#appends = Array.from({ length: instances }, () => 0);
  }

  ack(instance: number, now: number, latency: number): void {
    this.note(now);
    if (now < this.#from) return;
    this.#appends[instance]++;
    this.#latencies.push(latency);
  }

  commit(instance: number, now: number, rows: number): void {
    this.note(now + instance);
    if (now < this.#from) return;
    this.#commits++;
    this.#rows += rows;
  }

  conflict(now: number): void {
    this.note(now);
    if (now >= this.#from) this.#conflicts++;
  }

  read(now: number): void {
    if (now >= this.#from) this.#reads++;
  }

  throttled(now: number): void {
    this.note(now);
    if (now >= this.#from) this.#throttled++;
  }

  /** Adds a number to the digest of all events. */
  note(value: number): void {
    this.#digest = (Math.imul(this.#digest, 31) + Math.floor(value * 1_000)) | 0;
  }

  outcome(): Outcome {
    const appends = this.#appends.reduce((all, count) => all + count, 0);
    const perSecond = (count: number) => (count * 1_000) / this.#millis;
    const latencies = Float64Array.from(this.#latencies).sort();
    return {
      commitsPerSecond: perSecond(this.#commits),
      appendsPerSecond: perSecond(appends),
      appendsPerCommit: appends / this.#commits,
      conflictsPerCommit: this.#conflicts / this.#commits,
      readsPerCommit: this.#reads / this.#commits,
      entitiesPerSecond: perSecond(this.#rows),
      throttledPerSecond: perSecond(this.#throttled),
      slowestShare: (Math.min(...this.#appends) * this.#appends.length) / appends,
      p50: appends === 0 ? Number.NaN : percentile(latencies, 0.5),
      p99: appends === 0 ? Number.NaN : percentile(latencies, 0.99),
      digest: this.#digest,
    };
  }
}
