import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { loadPeer, type PeerName } from "../peers/index.ts";
import type { Sample, Server } from "../peers/peer.ts";
import type { Rounds } from "../report/comparison.ts";
import { type Call, Client } from "./client.ts";
import type { RunContext } from "./workload.ts";

/** One line of a workload's table: a system with one way to use it. */
export interface Subject {
  /** Unique within the workload; starts with the system's name. */
  readonly label: string;
  readonly peer: PeerName;
  /** The timed call. Round 0 is the warm-up. */
  measure(round: number): Call;
  /** Runs after each round, untimed. */
  cleanUp?(round: number): Call;
}

/** A workload in rounds. */
export interface Plan {
  readonly id: string;
  readonly subjects: readonly Subject[];
  /** Runs once per system before the first round, untimed. */
  readonly fill?: (peer: PeerName) => Call | undefined;
}

/** The results, and the notes of the systems that took part. */
export interface RoundsResult {
  readonly rounds: Rounds;
  readonly notes: readonly string[];
}

/**
 * Runs all subjects round by round (A B C, A B C, not A A, B B, C C), so that drift of the machine affects all of them
 * alike. Each system has one server process. Each subject has a client process of its own, which lives through all
 * rounds.
 */
export async function runRounds(context: RunContext, { id, subjects, fill }: Plan): Promise<RoundsResult> {
  const { runs, only, progress } = context;
  const chosen = subjects.filter(({ label }) => only.length === 0 || only.some((part) => label.includes(part)));
  const servers = new Map<PeerName, Server>();
  const clients = new Map<string, Client>();
  const samples = new Map<string, Sample[]>(chosen.map(({ label }) => [label, []]));
  const notes: string[] = [];
  try {
    for (const { label, peer } of chosen) {
      let server = servers.get(peer);
      if (server === undefined) {
        const loaded = await loadPeer(peer);
        notes.push(`${peer}: ${loaded.note}`);
        const dataFolder = join(context.folder, `${id}-${peer}`);
        await mkdir(dataFolder);
        server = await loaded.startServer({
          dataFolder,
          nodeFlags: profileFlags(context, peer, `${id}-${peer}-server`),
        });
        servers.set(peer, server);
        const call = fill?.(peer);
        if (call !== undefined) {
          progress(`${id}: filling ${peer}`);
          const filler = new Client(`${peer} (fill)`, peer, server.address, []);
          clients.set(`${peer} (fill)`, filler);
          await filler.call(call);
          await filler.close();
        }
      }
      const flags = profileFlags(context, peer, `${id}-${label.replaceAll(/[^\w-]+/g, "-")}-client`);
      clients.set(label, new Client(label, peer, server.address, flags));
    }
    for (let round = 0; round <= runs; round++) {
      for (const { label, measure, cleanUp } of chosen) {
        const client = clients.get(label)!;
        const sample = await client.call(measure(round));
        if (cleanUp !== undefined) await client.call(cleanUp(round));
        if (round > 0) samples.get(label)!.push(sample);
        progress(`${id}: ${round === 0 ? "warm-up" : `round ${round}`}, ${label}: ${describeSample(sample)}`);
      }
    }
  } finally {
    await Promise.all([...clients.values()].map((client) => client.close()));
    await Promise.all([...servers.values()].map((server) => server.stop()));
  }
  return { rounds: samples, notes };
}

function profileFlags({ profileFolder }: RunContext, peer: PeerName, name: string): string[] {
  if (profileFolder === undefined || peer !== "streamkit") return [];
  return ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${name}.cpuprofile`];
}

/** A sample on one line, for people who wait. */
export function describeSample(sample: Sample): string {
  return Object.entries(sample)
    .map(([metric, value]) => `${metric} ${value >= 100 ? Math.round(value) : value.toPrecision(3)}`)
    .join(", ");
}
