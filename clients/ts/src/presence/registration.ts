import { connectionLost, type StreamkitError } from "../errors/error.ts";
import { toStreamkitError } from "../errors/from-connect.ts";
import { type Clocks, elapsedSince, type Moment, momentOf, systemClocks } from "../lease/moment.ts";
import type { Inventory, Worker } from "./presence.ts";

/** Intervals without a renewal after which servers remove a worker that was renewed before. */
const MISSED_INTERVALS = 3;
/** Part of that from which on it may be why a registration ended: clocks do not run at quite the same rate. */
const MAY_BE = 0.95;

/** The calls that a registration is made of, one attempt each unless said otherwise. */
export interface WorkerCalls {
  /** Registers the worker for as long as the stream lives. */
  register(signal: AbortSignal): AsyncIterable<Inventory | undefined>;
  /** Shows that the worker lives; with retries. */
  renew(signal: AbortSignal): Promise<unknown>;
  /** Who is there; with retries. */
  list(signal: AbortSignal): AsyncIterable<Worker>;
}

/**
 * One worker's registration, made again for each connection. A server that ends one says NOT_FOUND, whether another
 * worker took the id or renewals were missed. The first is for good, or the two would take turns; a worker whose
 * renewals got lost is alive and comes back.
 */
export class Registration {
  readonly #id: string;
  readonly #interval: number;
  readonly #calls: WorkerCalls;
  readonly #clocks: Clocks;
  /** When the latest request was sent that showed the server that the worker lives. */
  #shown: Moment;
  /** The number of its registration: tells it from that of another worker with the id. */
  #number: bigint | undefined;
  /** What ended it, when that may have been missed renewals and nobody has looked yet. */
  #lapse: StreamkitError | undefined;

  constructor(id: string, interval: number, calls: WorkerCalls, clocks: Clocks = systemClocks) {
    this.#id = id;
    this.#interval = interval;
    this.#calls = calls;
    this.#clocks = clocks;
    this.#shown = momentOf(clocks);
  }

  /** One connection, with the worker registered from the first inventory on. Undefined: the connection lives. */
  async *open(signal: AbortSignal): AsyncGenerator<Inventory | undefined, void, undefined> {
    if (this.#lapse !== undefined) await this.#giveWay(this.#lapse, signal);
    // From here on it may be registered without knowing it: whoever is found then may be this one.
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

  /** Shows the server that the worker lives. */
  async renew(signal: AbortSignal): Promise<void> {
    const sent = momentOf(this.#clocks);
    await this.#calls.renew(signal);
    this.#shown = sent;
  }

  /** False when the server has heard of the worker so lately that it cannot have missed renewals. */
  get #mayHaveLapsed(): boolean {
    return elapsedSince(this.#shown, this.#clocks) >= MISSED_INTERVALS * this.#interval * MAY_BE;
  }

  /** Throws the error that ended the registration when another worker has the id now. */
  async #giveWay(error: StreamkitError, signal: AbortSignal): Promise<void> {
    for await (const worker of this.#calls.list(signal)) {
      if (worker.id === this.#id && worker.registration !== this.#number) throw error;
    }
  }
}
