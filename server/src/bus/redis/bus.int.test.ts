import { afterAll, beforeAll, describe, it } from "vitest";
import { describeBusContract } from "../contract/index.ts";
import type { BusServer } from "../test/bus-server.ts";
import { startRedis } from "../test/redis.ts";
import { redisBus } from "./index.ts";

let server: BusServer | undefined;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server?.stop());

describeBusContract({ name: "redis", runner: { describe, it }, makeBus: () => redisBus(server!.url) });
