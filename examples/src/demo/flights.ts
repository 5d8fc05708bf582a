import { readFile } from "node:fs/promises";
import { datasetFile } from "../dataset.ts";

/** One domestic flight in the USA, first quarter of 2001. */
export interface Flight {
  /** Local time of departure: "2001/01/01 00:47". */
  readonly date: string;
  /** Minutes; negative for an early flight. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  /** IATA code of the airport. */
  readonly origin: string;
  /** IATA code of the airport. */
  readonly destination: string;
}

/** Reads the 20,000 flights of the vega-datasets package, in order of departure. */
export async function loadFlights(): Promise<readonly Flight[]> {
  return JSON.parse(await readFile(datasetFile("flights-20k.json"), "utf8"));
}

/** The flights of each airport, in the order of the source: the expected content of each segment. */
export function byOrigin(flights: readonly Flight[]): ReadonlyMap<string, readonly Flight[]> {
  return Map.groupBy(flights, (flight) => flight.origin);
}
