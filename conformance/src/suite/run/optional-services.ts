import type { ClientFactory } from "../client/client-under-test.ts";
import { Session, type Target } from "./session.ts";
import { Trace } from "./trace.ts";

/** What a server of protocol version 1 may leave out, as GetServerInfo names it. */
const OPTIONAL = ["cursor", "lease", "presence", "segment-status"];
/** How long a server may take to say what it can do, in milliseconds. */
const PATIENCE_MILLIS = 10_000;

/** For each optional part of the protocol: its name when the server has it, "without_" and the name when not. */
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
