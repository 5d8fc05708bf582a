import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { RequestListener } from "@streamkit/server";
import { build } from "esbuild";
import type { BoardFacts } from "./page/facts.ts";

const inPage = (name: string) => fileURLToPath(new URL(`page/${name}`, import.meta.url));

/** The page loads code and styles of its own server only, and calls no other one: `'self'` includes ws://. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:";

/** Bundles the page, and returns a listener that serves it. */
export async function servePage(facts: BoardFacts): Promise<RequestListener> {
  const files = new Map<string, { type: string; body: string | Uint8Array }>([
    ["/", { type: "text/html; charset=utf-8", body: await readFile(inPage("index.html")) }],
    ["/board.css", { type: "text/css; charset=utf-8", body: await readFile(inPage("board.css")) }],
    ["/facts.json", { type: "application/json", body: JSON.stringify(facts) }],
  ]);
  for (const { path, contents } of await bundle()) {
    files.set(path, { type: "text/javascript; charset=utf-8", body: contents });
  }
  return (request, response) => {
    const file = files.get(request.url?.split("?", 1)[0] ?? "");
    if (file === undefined) {
      response.statusCode = 404;
      response.end();
      return;
    }
    response.setHeader("content-type", file.type);
    response.setHeader("content-security-policy", POLICY);
    response.setHeader("x-content-type-options", "nosniff");
    response.end(file.body);
  };
}

/** The scripts of the page: `/board.js`, and the parts that it loads when it needs them. */
async function bundle(): Promise<{ path: string; contents: Uint8Array }[]> {
  const outdir = "/bundle";
  const { outputFiles } = await build({
    entryPoints: { board: inPage("board.ts") },
    outdir,
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
    // Packages of this repository come from their sources; elsewhere this line has no effect.
    conditions: ["@streamkit/source"],
  });
  return outputFiles.map(({ path, contents }) => ({ path: path.slice(path.lastIndexOf("/")), contents }));
}
