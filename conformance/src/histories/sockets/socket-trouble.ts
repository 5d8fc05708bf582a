import { DIRECTIONS, type Direction, type Ending, type ProxiedConnection } from "../../lab/proxied-connection.ts";
import { Random } from "../../lab/random.ts";

/** A fault of one socket on its way to an instance, after a number of writes of the plan. */
export type SocketTrouble = Place & SocketFault;

interface Place {
  readonly after: number;
  readonly instance: number;
  /** The socket: a place among those that are open then, from 0 to 1, or the next socket to open. */
  readonly socket: number | "next";
}

type SocketFault =
  /** RST or FIN, after more bytes in one direction: between two frames, in a frame, or in the upgrade. */
  | { readonly kind: "cut"; readonly direction: Direction; readonly bytes: number; readonly ending: Ending }
  /** The bytes of both directions arrive late. */
  | { readonly kind: "delay"; readonly millis: number }
  /** One side loses the socket, and the other side hears nothing of it. */
  | { readonly kind: "half-open"; readonly lost: "client" | "server" }
  /** No more bytes arrive in one direction. */
  | { readonly kind: "silence"; readonly direction: Direction };

/** Cuts are as frequent as all others together, because they are over at once. */
const KINDS: readonly SocketFault["kind"][] = ["cut", "delay", "cut", "half-open", "cut", "silence"];
const MAX_DELAY_MILLIS = 1_500;
/** Most bytes before a cut, of small and of large ones: within a few frames or many. */
const CUT_BYTES = [300, 20_000] as const;
const ENDINGS: readonly Ending[] = ["reset", "finish"];

/** Plans trouble for the sockets of a workload, the same for the same seed. */
export function planSocketTrouble(
  plan: { readonly seed: number; readonly instances: number; readonly writes: number },
  count: number,
): SocketTrouble[] {
  // A separate generator, so that the trouble changes neither the workload nor other trouble.
  const random = new Random(plan.seed ^ 0x50c4e7);
  const places = Array.from({ length: count }, () => 1 + random.below(plan.writes)).sort((a, b) => a - b);
  const first = random.below(KINDS.length);
  return places.map((after, at) => {
    const socket = random.chance(0.2) ? "next" : random.next();
    const instance = random.below(plan.instances);
    return { after, instance, socket, ...faultOf(KINDS[(first + at) % KINDS.length], random) };
  });
}

function faultOf(kind: SocketFault["kind"], random: Random): SocketFault {
  const direction = DIRECTIONS[random.below(DIRECTIONS.length)];
  switch (kind) {
    case "cut": {
      const bytes = random.below(CUT_BYTES[random.below(CUT_BYTES.length)]);
      return { kind, direction, bytes, ending: ENDINGS[random.below(ENDINGS.length)] };
    }
    case "delay":
      return { kind, millis: 1 + random.below(MAX_DELAY_MILLIS) };
    case "half-open":
      return { kind, lost: random.chance(0.5) ? "client" : "server" };
    case "silence":
      return { kind, direction };
  }
}

/** Makes a fault on a connection. */
export function makeFault(connection: ProxiedConnection, fault: SocketFault): void {
  if (fault.kind === "cut") connection.cutAfter(fault.direction, fault.bytes, fault.ending);
  else if (fault.kind === "delay") connection.delay(fault.millis);
  else if (fault.kind === "half-open") connection.halfOpen(fault.lost);
  else connection.silence(fault.direction);
}
