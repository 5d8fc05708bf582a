import { describeOutages } from "../test/outages.ts";
import { startRedis } from "../test/redis.ts";
import { redisBus } from "./index.ts";

describeOutages({ name: "redis", start: startRedis, makeBus: redisBus, connections: 2 });
