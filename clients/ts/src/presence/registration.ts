import { connectionLost, type StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { type Clocks, elapsedSince, type Moment, momentOf, systemClocks } from "../lease/moment.ts";
import type { Inventory, Worker } from "./presence.ts";

/** Intervals without a renewal after which servers remove a worker that was renewed before. */
const MISSED_INTERVALS = 3;
/** Part of that time after which missed renewals may have ended a registration. Clocks run at different rates. */
const MAY_BE = 0.95;

/** The calls of a registration. */
export interface WorkerCalls {
  /** Registers the worker for as long as the stream lives. Makes one attempt. */
  register(signal: AbortSignal): AsyncIterable<Inventory | undefined>;
  /** Tells the server that the worker lives; with retries. */
  renew(signal: AbortSignal): Promise<unknown>;
  /** Lists the workers of the group; with retries. */
  list(signal: AbortSignal): AsyncIterable<Worker>;
}

/**
 * The registration of one worker, made again for each connection. A server ends it with NOT_FOUND, both when another
 * worker took the id and when renewals were missed. In the first case the worker gives way, since otherwise the two
 * would replace each other for ever. In the second case it registers again.
 */
export class Registration {
  readonly #id: string;
  readonly #interval: number;
  readonly #calls: WorkerCalls;
  readonly #clocks: Clocks;
  /** The moment before the client sent the latest request that told the server that the worker lives. */
  #shown: Moment;
  /** The number of this registration, which another worker with the same id does not have. */
  #number: bigint | undefined;
  /** The error that ended the registration, if missed renewals may be its reason. `open` looks. */
  #lapse: StreamkitError | undefined;

  constructor(id: string, interval: number, calls: WorkerCalls, clocks: Clocks = systemClocks) {
    this.#id = id;
    this.#interval = interval;
    this.#calls = calls;
    this.#clocks = clocks;
    this.#shown = momentOf(clocks);
  }

  /** Makes one connection. Its first inventory means that the worker is registered. `undefined` is a sign of life. */
  async *open(signal: AbortSignal): AsyncGenerator<Inventory | undefined, void, undefined> {
    if (this.#lapse !== undefined) await this.#giveWay(this.#lapse, signal);
    // From here on a lost answer may hide a new registration of this worker, so its number proves nothing any more.
    this.#lapse = undefined;
    const sent = momentOf(this.#clocks);
    let registered = false;
    try {
      for await (const workers of this.#calls.register(signal)) {
        if (!registered && workers !== undefined) {
          registered = true;
          this.#shown = sent;
          this.#number = workers.find(({ id }) => id === this.#id)?.registration;
        }
        yield workers;
      }
    } catch (thrown) {
      const error = toStreamkitError(thrown, signal);
      if (!registered || error.reason !== "NOT_FOUND" || !this.#mayHaveLapsed) throw error;
      this.#lapse = error;
      throw connectionLost(`the server has not heard of worker "${this.#id}" for too long`, error);
    }
  }

  /** Tells the server that the worker lives. */
  async renew(signal: AbortSignal): Promise<void> {
    const sent = momentOf(this.#clocks);
    await this.#calls.renew(signal);
    this.#shown = sent;
  }

  /** False if the server has heard of the worker so recently that it cannot have missed three renewals. */
  get #mayHaveLapsed(): boolean {
    return elapsedSince(this.#shown, this.#clocks) >= MISSED_INTERVALS * this.#interval * MAY_BE;
  }

  /** Throws the error that ended the registration if another worker has the id now. */
  async #giveWay(error: StreamkitError, signal: AbortSignal): Promise<void> {
    for await (const worker of this.#calls.list(signal)) {
      if (worker.id === this.#id && worker.registration !== this.#number) throw error;
    }
  }
}
