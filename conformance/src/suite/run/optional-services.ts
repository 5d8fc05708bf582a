import type { ClientFactory } from "../client/client-under-test.ts";
import { Session, type Target } from "./session.ts";
import { Trace } from "./trace.ts";

/** The capabilities in GetServerInfo that a server of protocol version 1 may lack. */
const OPTIONAL = ["cursor", "lease", "presence", "segment-status"];
/** Time limit for the server's answer, in milliseconds. */
const PATIENCE_MILLIS = 10_000;

/**
 * Returns the name of each optional part of the protocol that the server has, and "without_" + the name of each part
 * that it lacks.
 */
export async function optionalServices(client: ClientFactory, target: Target): Promise<string[]> {
  const session = await Session.open(client, target, new Trace());
  try {
    const call = await session.call("main", Session.request({ case: "getServerInfo", value: {} as never }));
    await call.until(() => call.ended, PATIENCE_MILLIS);
    const response = call.responses[0];
    const has = response?.case === "getServerInfo" ? response.value.capabilities : [];
    return OPTIONAL.map((name) => (has.includes(name) ? name : `without_${name}`));
  } finally {
    await session.close();
  }
}
