/** The page of the cells in Chromium. */
import { ConnectClient } from "../../suite/client/connect-client.ts";
import { SdkClient } from "../../suite/client/sdk-client.ts";
import { openPageTransport } from "./page-transports.ts";
import { serveClients } from "./serve-clients.ts";

serveClients({
  raw: (observe) => new ConnectClient(observe, openPageTransport),
  sdk: (observe) => {
    const open = (...[connect]: Parameters<typeof openPageTransport>) => {
      const { transport, close } = openPageTransport(connect);
      return { options: { transport }, close };
    };
    return new SdkClient(observe, open);
  },
});
