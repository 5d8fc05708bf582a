import { startNats } from "../test/nats.ts";
import { describeOutages } from "../test/outages.ts";
import { natsBus } from "./index.ts";

describeOutages({ name: "nats", start: startNats, makeBus: natsBus, connections: 1 });
