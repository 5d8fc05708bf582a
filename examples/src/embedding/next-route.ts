/** Streamkit inside a Next.js application: this is the file `app/api/streams/[...rpc]/route.ts`. */
// #region next-route
import { createStreamkit, levelStorage } from "@streamkit/server";

export const runtime = "nodejs";
export const dynamic = "force-dynamic";

const streamkit = createStreamkit({ storage: levelStorage({ path: "./data" }) });

// Clients use https://app.example.com/api/streams as their baseUrl. Streamkit knows its paths without the prefix.
const serve = (request: Request) => streamkit.fetch(new Request(request.url.replace("/api/streams/", "/"), request));

export { serve as GET, serve as OPTIONS, serve as POST };
// #endregion next-route
