/** The server of one checkout: `node server-process.ts CHECKOUT STORAGE FOLDER`. Reports its address and CPU time. */
import { obey } from "./jobs.ts";

const [checkout, storage, folder] = process.argv.slice(2);
const { createStreamkit, levelStorage, memoryStorage } = await import(`${checkout}/server/src/index.ts`);
const streamkit = createStreamkit({ storage: storage === "level" ? levelStorage({ path: folder }) : memoryStorage() });
const { url } = await streamkit.listen({ port: 0 });
obey({});
process.send?.({ url });
