import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { ServerProcess } from "../process/server-process.ts";
import { Checks, firstDifference, firstGap } from "./checks.ts";
import { byOrigin, type Flight } from "./flights.ts";
import { importFlights } from "./import-flights.ts";
import { liveTraffic } from "./live-traffic.ts";
import { readBusiestAirport } from "./read-airport.ts";
import { checkSpace, fingerprint, readSpace } from "./read-back.ts";
import { grouped, type Measurement } from "./report.ts";

/** Flights that the demo publishes one by one, while a follower listens. It imports the others. */
const LIVE_FLIGHTS = 300;

/** The results of the demo. */
export interface Outcome {
  readonly measurements: readonly Measurement[];
  readonly checks: Checks;
}

/**
 * The demo. It imports flights, reads them in both orders, ends the server with `kill -9` in the middle of live
 * traffic, starts the server again on the same data, and verifies the view of every reader.
 */
export async function tell(flights: readonly Flight[], path: string, signal: AbortSignal): Promise<Outcome> {
  const checks = new Checks();
  const measurements: Measurement[] = [];
  const storeId = crypto.randomUUID();
  const imported = flights.slice(0, -LIVE_FLIGHTS);
  const live = flights.slice(-LIVE_FLIGHTS);

  await using first = await ServerProcess.start({ path, signal });
  say("server", `${first.url}, LevelDB in ${path}`);
  // Each call makes a client with a connection of its own.
  const connect = () =>
    createStreamkitClient({ transport: createNodeTransport({ baseUrl: first.url }) })
      .store(storeId)
      .withCodec(json<Flight>())
      .space("flights");
  const space = connect();

  measurements.push(await importFlights(space, imported, checks, signal));

  const { airport, measurement } = await readBusiestAirport(space, imported, checks, signal);
  say("read one airport", `${grouped(measurement.count)} flights from ${airport} in sequence order`);
  measurements.push(measurement);

  const before = await readSpace(space, signal);
  say("read the space", `${grouped(before.entries.length)} entries in offset order`);
  measurements.push({ what: "read the whole space", count: before.entries.length, seconds: before.seconds });
  checkSpace(checks, "after import", before, imported);

  const traffic = await liveTraffic({
    reader: connect(),
    writer: connect(),
    flights: live,
    firstOffset: before.entries.length + 1,
    signal,
    async replaceServer() {
      await first.stop("SIGKILL");
      return ServerProcess.start({ path, port: first.port, signal });
    },
  });
  await using second = traffic.server;
  measurements.push(...traffic.measurements);
  const received = traffic.received.map((entry) => entry.value);
  checks.none("live: the follower received each flight once, in the order published", firstDifference(received, live));
  const offsets = traffic.received.map((entry) => entry.offset);
  checks.none("live: the follower's offsets have no gap and no repetition", firstGap(offsets, imported.length + 1));

  const after = await readSpace(space, signal);
  say("read the space again", `${grouped(after.entries.length)} entries after the restart`);
  measurements.push({ what: "read the whole space again", count: after.entries.length, seconds: after.seconds });
  checkSpace(checks, "after kill -9", after, flights);
  checks.equal(
    "after kill -9: what was imported reads exactly as before",
    fingerprint(after.entries.slice(0, imported.length)),
    fingerprint(before.entries),
  );
  const { lastOffset, segmentCount } = await space.status({ signal });
  checks.equal(
    "after kill -9: the status of the space agrees",
    { lastOffset, segmentCount },
    {
      lastOffset: flights.length,
      segmentCount: byOrigin(flights).size,
    },
  );

  await second.stop("SIGTERM");
  checks.equal("the server ends by SIGTERM with exit code 0", second.exitCode, 0);
  return { measurements, checks };
}

function say(step: string, text: string): void {
  console.log(`  ${step.padEnd(24)} ${text}`);
}
