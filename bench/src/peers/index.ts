import type { Peer } from "./peer.ts";

const PEER_NAMES = [
  "streamkit",
  "redis",
  "jetstream",
  "durable-streams",
  "raw-level",
  "raw-stream",
  "raw-table",
] as const;

/** The systems that can be measured; each is the name of its file here. */
export type PeerName = (typeof PEER_NAMES)[number];

/** Tells a peer's name from other text. */
export function isPeerName(name: string): name is PeerName {
  return (PEER_NAMES as readonly string[]).includes(name);
}

/** Loads one peer and nothing else: a client's process should hold only what it measures. */
export async function loadPeer(name: PeerName): Promise<Peer> {
  const module: { peer: Peer } = await import(`./${name}.ts`);
  return module.peer;
}
