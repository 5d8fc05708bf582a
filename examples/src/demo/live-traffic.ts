import type { Entry, SpaceHandle } from "@streamkit/client";
import type { Flight } from "./flights.ts";
import { followLive } from "./follow-live.ts";
import { Progress } from "./progress.ts";
import { grouped, type Measurement } from "./report.ts";

/** The parts of the live traffic. */
export interface LiveTraffic<Server> {
  /** A client with a connection of its own. */
  readonly reader: SpaceHandle<Flight, Flight>;
  /** A client with another connection. */
  readonly writer: SpaceHandle<Flight, Flight>;
  /** Flights to publish one by one. */
  readonly flights: readonly Flight[];
  /** Offset of the first of these flights. */
  readonly firstOffset: number;
  /** Called when the follower has half of the flights. The publisher continues meanwhile. */
  readonly replaceServer: () => Promise<Server>;
  readonly signal: AbortSignal;
}

/** Publishes flights on one connection and follows them on another. Replaces the server halfway. */
export async function liveTraffic<Server>(traffic: LiveTraffic<Server>) {
  const { reader, writer, flights, firstOffset, replaceServer, signal } = traffic;
  const progress = new Progress("live", flights.length);
  const halfway = Promise.withResolvers<void>();
  const following = followLive(reader, {
    from: firstOffset,
    count: flights.length,
    signal,
    onEntry(received) {
      progress.update(received);
      if (received === Math.floor(flights.length / 2)) halfway.resolve();
    },
  });
  await following.ready;

  const [{ server, seconds: down }, received, published] = await Promise.all([
    halfway.promise.then(() => timed(replaceServer)),
    following.done,
    publishOneByOne(writer, flights, signal),
  ]);
  progress.finish(`${grouped(received.length)} flights published and followed; kill -9 and restart in between`);
  const longest = Math.max(...published);
  const others = published.reduce((sum, seconds) => sum + seconds, 0) - longest;
  const measurements: Measurement[] = [
    { what: "publish one by one", count: published.length - 1, seconds: others },
    { what: "the one that met the kill -9", seconds: longest },
    { what: "  of which the server was down", seconds: down },
  ];
  return { server, received: received as readonly Entry<Flight>[], measurements };
}

/**
 * Appends the flights one by one, each after the previous one is durable. The client repeats an append that the crash
 * interrupts, with the same transaction id, so that nothing is lost and nothing is written twice. Resolves with the
 * seconds of each append.
 */
async function publishOneByOne(space: SpaceHandle<Flight, Flight>, flights: readonly Flight[], signal: AbortSignal) {
  const seconds: number[] = [];
  for (const flight of flights) {
    const started = performance.now();
    await space.segment(flight.origin).publish(flight, { signal });
    seconds.push((performance.now() - started) / 1_000);
  }
  return seconds;
}

async function timed<Server>(action: () => Promise<Server>): Promise<{ server: Server; seconds: number }> {
  const started = performance.now();
  const server = await action();
  return { server, seconds: (performance.now() - started) / 1_000 };
}
