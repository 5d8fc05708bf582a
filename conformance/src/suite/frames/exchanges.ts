import type { Difference } from "../expect/match.ts";
import {
  goesAway,
  manyCalls,
  opens,
  pings,
  resets,
  session,
  severalFrames,
  timeouts,
  waysToSend,
} from "./call-exchanges.ts";
import {
  ampleCredit,
  callCredit,
  creditOfRequests,
  creditOfReset,
  creditOfSession,
  endedCalls,
  socketCredit,
  waitingRead,
} from "./credit-exchanges.ts";
import { type Exchange, FrameMismatch } from "./exchange.ts";
import { answers, closes, fails } from "./written-exchanges.ts";

/** The exchanges by their names in cases. */
const EXCHANGES: Readonly<Record<string, (exchange: Exchange) => Promise<void>>> = {
  answers,
  closes,
  fails,
  opens,
  pings,
  resets,
  session,
  timeouts,
  "ample-credit": ampleCredit,
  "call-credit": callCredit,
  "credit-of-requests": creditOfRequests,
  "credit-of-reset": creditOfReset,
  "credit-of-session": creditOfSession,
  "ended-calls": endedCalls,
  "goes-away": goesAway,
  "many-calls": manyCalls,
  "several-frames": severalFrames,
  "socket-credit": socketCredit,
  "waiting-read": waitingRead,
  "ways-to-send": waysToSend,
};

/**
 * Runs an exchange of frames and returns the first difference.
 *
 * @throws Error if there is no such exchange
 */
export async function exchangeFrames(name: string, exchange: Exchange): Promise<Difference> {
  const run = EXCHANGES[name];
  if (run === undefined) throw new Error(`there is no exchange of frames ${name}`);
  try {
    await run(exchange);
    return undefined;
  } catch (error) {
    if (error instanceof FrameMismatch) return error.message;
    throw error;
  }
}
