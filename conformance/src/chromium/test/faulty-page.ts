/** A page with clients that harm the page. */
import { create } from "@bufbuild/protobuf";
import { HelloSchema } from "@streamkit/protocol/conformance";
import type { ClientUnderTest } from "../../suite/client/client-under-test.ts";
import { serveClients } from "../page/serve-clients.ts";

const performing = (perform: () => void) => (): ClientUnderTest => ({
  hello: create(HelloSchema),
  perform,
  close: async () => {},
});

serveClients({
  throws: performing(() => {
    throw new Error("the fault of this client");
  }),
  leaves: performing(() => {
    location.href = "about:blank";
  }),
});
