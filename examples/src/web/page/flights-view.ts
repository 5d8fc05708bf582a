import type { Flight } from "../../demo/flights.ts";
import { element, make } from "./element.ts";

/** Most rows on the page. */
const MOST_ROWS = 100;
/** Minutes of delay up to which a flight is on time. */
const ON_TIME_MINUTES = 5;

/** The table of flights, newest first, of all airports or of one. */
export class FlightsView {
  readonly #cities: Readonly<Record<string, string>>;
  readonly #rows = element("flights");
  readonly #filter = element<HTMLSelectElement>("airport");
  readonly #count = element("count");
  /** The latest flights of each airport, oldest first. */
  readonly #byAirport = new Map<string, Flight[]>();
  /** The latest flights of all airports, oldest first. */
  readonly #all: Flight[] = [];
  #total = 0;

  constructor(cities: Readonly<Record<string, string>>) {
    this.#cities = cities;
    this.#filter.addEventListener("change", () => this.#showAgain());
  }

  /** Adds flights, oldest first. */
  add(flights: readonly Flight[]): void {
    this.#total += flights.length;
    for (const flight of flights) {
      addBounded(this.#all, flight);
      addBounded(this.#ofAirport(flight.origin), flight);
    }
    const airport = this.#filter.value;
    const shown = flights.filter(({ origin }) => airport === "" || origin === airport).slice(-MOST_ROWS);
    this.#rows.prepend(...shown.map((flight) => this.#row(flight, true)).reverse());
    while (this.#rows.childElementCount > MOST_ROWS) this.#rows.lastElementChild?.remove();
    this.#count.textContent = `${this.#total.toLocaleString("en")} flights from ${this.#byAirport.size} airports`;
  }

  #showAgain(): void {
    const airport = this.#filter.value;
    const flights = airport === "" ? this.#all : (this.#byAirport.get(airport) ?? []);
    this.#rows.replaceChildren(...flights.map((flight) => this.#row(flight, false)).reverse());
  }

  #ofAirport(code: string): Flight[] {
    const known = this.#byAirport.get(code);
    if (known !== undefined) return known;
    const flights: Flight[] = [];
    this.#byAirport.set(code, flights);
    this.#addOption(code);
    return flights;
  }

  /** Adds an airport to the filter, in the order of the alphabet. */
  #addOption(code: string): void {
    const option = document.createElement("option");
    option.value = code;
    option.textContent = `${code}  ${this.#city(code)}`;
    const next = [...this.#filter.options].find(({ value }) => value > code);
    this.#filter.add(option, next ?? null);
  }

  #row({ date, origin, destination, delay }: Flight, isNew: boolean): HTMLElement {
    const status = statusOf(delay);
    return make(
      "tr",
      isNew ? "new" : "",
      make("td", "time", timeOf(date)),
      this.#airport(origin),
      this.#airport(destination),
      make("td", `delay ${status.kind}`, make("span", "", status.text)),
    );
  }

  #airport(code: string): HTMLElement {
    return make("td", "airport", make("b", "", code), make("span", "city", this.#city(code)));
  }

  #city(code: string): string {
    return this.#cities[code] ?? "";
  }
}

function addBounded(flights: Flight[], flight: Flight): void {
  flights.push(flight);
  if (flights.length > MOST_ROWS) flights.shift();
}

/** The time of a date such as "2001/01/01 00:47". */
function timeOf(date: string): HTMLElement {
  const time = make("time", "", date.slice(11));
  time.setAttribute("datetime", date.replaceAll("/", "-").replace(" ", "T"));
  return time;
}

function statusOf(delay: number): { kind: "late" | "early" | "on-time"; text: string } {
  if (delay > ON_TIME_MINUTES) return { kind: "late", text: `+${delay} min` };
  if (delay < -ON_TIME_MINUTES) return { kind: "early", text: `\u2212${-delay} min` };
  return { kind: "on-time", text: "On time" };
}
