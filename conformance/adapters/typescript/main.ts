#!/usr/bin/env node
/** The TypeScript SDK as a client program: `--client-command "node adapters/typescript/main.ts"`. */
import { SdkClient } from "../../src/suite/client/sdk-client.ts";
import { sdkTransports } from "../../src/suite/client/sdk-transports.ts";
import { serveProgram } from "../../src/suite/client/serve-program.ts";

await serveProgram((observe) => new SdkClient(observe, sdkTransports()), process.stdin, process.stdout);
process.exit(0);
