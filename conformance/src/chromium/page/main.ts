/** The page of the cells in Chromium. */
import { ConnectClient } from "../../suite/client/connect-client.ts";
import { SdkClient } from "../../suite/client/sdk-client.ts";
import { openPageTransport, PATIENT } from "./page-transports.ts";
import { serveClients } from "./serve-clients.ts";

serveClients({
  raw: (observe) => new ConnectClient(observe, (connect) => openPageTransport(connect, PATIENT)),
  sdk: (observe) =>
    new SdkClient(observe, (connect) => {
      const { transport, close } = openPageTransport(connect);
      return { options: { transport }, close };
    }),
});
