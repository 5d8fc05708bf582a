import { startRedis } from "../test/redis.ts";
import { describeRemoteBus } from "../test/remote.ts";
import { redisBus } from "./index.ts";

describeRemoteBus("redis", startRedis, redisBus);
