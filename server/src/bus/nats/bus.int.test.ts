import { afterAll, beforeAll, describe, it } from "vitest";
import { describeBusContract } from "../contract/index.ts";
import type { BusServer } from "../test/bus-server.ts";
import { startNats } from "../test/nats.ts";
import { natsBus } from "./index.ts";

let server: BusServer | undefined;

beforeAll(async () => {
  server = await startNats();
});

afterAll(() => server?.stop());

describeBusContract({ name: "nats", runner: { describe, it }, makeBus: () => natsBus(server!.url) });
