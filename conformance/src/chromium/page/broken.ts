/** A page with the broken clients, by name. */
import { BROKEN_CLIENTS } from "../../mutants/broken-clients.ts";
import { openPageTransport, PATIENT } from "./page-transports.ts";
import { serveClients } from "./serve-clients.ts";

serveClients(
  Object.fromEntries(
    BROKEN_CLIENTS.map(({ name, make }) => [
      name,
      (observe) => make(observe, (connect) => openPageTransport(connect, PATIENT)),
    ]),
  ),
);
