/** Facts that the server gives the page beside the flights, as `/facts.json`. */
export interface BoardFacts {
  readonly storeId: string;
  /** Cities by the IATA code of their airport. */
  readonly cities: Readonly<Record<string, string>>;
}
