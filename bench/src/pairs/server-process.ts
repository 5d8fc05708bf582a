/**
 * The server of one checkout: `node server-process.ts CHECKOUT STORAGE FOLDER AUTHENTICATION SECRET`. Reports its
 * address and CPU time.
 */
import { obey } from "./jobs.ts";

const [checkout, kind, folder, authentication, secret] = process.argv.slice(2);
const { createStreamkit, Grants, levelStorage, memoryStorage, tokenAuthentication } = await import(
  `${checkout}/server/src/index.ts`
);
const storage = kind === "level" ? levelStorage({ path: folder }) : memoryStorage();
const principal = { subject: "constant", grants: Grants?.all };
const options = {
  none: () => ({}),
  constant: () => ({ authenticate: () => principal }),
  jwt: () => ({ authenticate: tokenAuthentication({ secret }) }),
};
const streamkit = createStreamkit({ storage, ...options[authentication as keyof typeof options]() });
const { url } = await streamkit.listen({ port: 0 });
obey({});
process.send?.({ url });
