import { startNats } from "../test/nats.ts";
import { describeRemoteBus } from "../test/remote.ts";
import { natsBus } from "./index.ts";

describeRemoteBus("nats", startNats, natsBus);
