import { readFile } from "node:fs/promises";
import { datasetFile } from "../dataset.ts";

/** Code and city of an airport: the first and the third of the columns, which may have quotes. */
const ROW = /^(\w{3}),(?:"[^"]*"|[^,]*),"?([^",]+)/gm;

/** Reads the city of each US airport, by IATA code. */
export async function loadCities(): Promise<Readonly<Record<string, string>>> {
  const table = await readFile(datasetFile("airports.csv"), "utf8");
  return Object.fromEntries([...table.matchAll(ROW)].map(([, code, city]) => [code, city]));
}
