/** The page of the flight board: follows all flights, and shows them newest first. */
import { createStreamkitClient, json } from "@streamkit/client";
import { createWebTransport } from "@streamkit/client/web";
import type { Flight } from "../../demo/flights.ts";
import { ConnectionView } from "./connection-view.ts";
import type { BoardFacts } from "./facts.ts";
import { FlightsView } from "./flights-view.ts";

/** Flights that the page reads of the past. */
const PAST_FLIGHTS = 2_000;

const facts: BoardFacts = await (await fetch("/facts.json")).json();
const connection = new ConnectionView();
const flights = new FlightsView(facts.cities);

// #region follow
const client = createStreamkitClient({ transport: createWebTransport({ baseUrl: "/", protocol: "auto" }) });
const space = client.store(facts.storeId).space("flights").withCodec(json<Flight>());

// One follow over all airports, which are the segments. It resumes by itself, without a gap or a repetition.
const follow = space.follow({
  last: PAST_FLIGHTS,
  onStateChange(state) {
    connection.show(state);
    // The server has started again, with other data.
    if (state.name === "beyondHead") location.reload();
  },
});
for await (const batch of follow.batches()) flights.add([...batch].map(({ value }) => value));
// #endregion follow
