import type { Peer } from "./peer.ts";

const PEER_NAMES = [
  "streamkit",
  "streamkit-socket",
  "streamkit-token",
  "redis",
  "sqlite",
  "jetstream",
  "durable-streams",
  "raw-level",
  "raw-stream",
  "raw-table",
] as const;

/** The measured systems. Each name is the name of a file here. */
export type PeerName = (typeof PEER_NAMES)[number];

/** True for the name of a peer. */
export function isPeerName(name: string): name is PeerName {
  return (PEER_NAMES as readonly string[]).includes(name);
}

/** Loads one peer and nothing else, so that a client process holds only the code that it measures. */
export async function loadPeer(name: PeerName): Promise<Peer> {
  const module: { peer: Peer } = await import(`./${name}.ts`);
  return module.peer;
}
