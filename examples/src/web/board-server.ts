import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { createStreamkitClient, json } from "@streamkit/client";
import { createStreamkit, levelStorage } from "@streamkit/server";
import { type Flight, loadFlights } from "../demo/flights.ts";
import { loadCities } from "./cities.ts";
import { servePage } from "./serve-page.ts";

/** Flights that the board shows from the beginning. */
const FIRST_FLIGHTS = 60;

export interface BoardOptions {
  /** Folder for the data of LevelDB. */
  readonly folder: string;
  readonly host: string;
  /** 0 for a free port. */
  readonly port: number;
}

/** A running server with the page of the board. */
export interface Board extends AsyncDisposable {
  readonly url: string;
  /** Publishes the flights of the data set one after the other, until the signal fires. */
  feed(flightsPerSecond: number, signal: AbortSignal): Promise<void>;
}

/** Starts a server that answers calls and serves the page, both on one port. */
export async function startBoard({ folder, host, port }: BoardOptions): Promise<Board> {
  const storeId = randomUUID();
  const flights = await loadFlights();
  const page = await servePage({ storeId, cities: await loadCities() });
  const streamkit = createStreamkit({ storage: levelStorage({ path: folder }) });
  const { url } = await streamkit.listen({ host, port, fallback: page });
  const client = createStreamkitClient({ transport: streamkit.transport() });
  const space = client.store(storeId).space("flights").withCodec(json<Flight>());
  // One transaction each, as within a transaction the flights of one airport come together.
  for (const flight of flights.slice(0, FIRST_FLIGHTS)) await space.segment(flight.origin).publish(flight);
  return {
    url,
    async feed(flightsPerSecond, signal) {
      for (const flight of flights.slice(FIRST_FLIGHTS)) {
        // Flights come irregularly, as in life.
        const millis = (1_000 / flightsPerSecond) * (0.5 + Math.random());
        await pause(millis, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        await space.segment(flight.origin).publish(flight);
      }
      console.log("all flights have left");
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
    [Symbol.asyncDispose]: () => streamkit.close(),
  };
}
