import { gzipSync } from "node:zlib";
import { type OutputChunk, type RolldownOutput, rolldown } from "rolldown";

/** Most that a page loads for the client with one transport, minified and gzipped. The target of workload W11 is 60. */
const LIMITS_KIB: Readonly<Record<string, number>> = { web: 60.5, websocket: 61.5 };

/**
 * Bundles the client for browsers as an application would. Returns true if the bundle is small enough and imports
 * nothing from Node.
 */
export async function checkBundleSize(): Promise<boolean> {
  let isSmall = true;
  for (const [transport, limit] of Object.entries(LIMITS_KIB)) {
    isSmall = (await checkBundle(transport, limit)) && isSmall;
  }
  return isSmall;
}

async function checkBundle(transport: string, limitKib: number): Promise<boolean> {
  const bundle = await rolldown({
    input: "entry",
    platform: "browser",
    resolve: { conditionNames: ["@streamkit/source", "browser", "import", "default"] },
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === "entry" ? id : undefined),
        load: (id) =>
          id === "entry"
            ? `export * from "${process.cwd()}/clients/ts/src/index.ts"; export * from "${process.cwd()}/clients/ts/src/${transport}.ts";`
            : undefined,
      },
    ],
  });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  await bundle.close();
  const files = new Set(output.map((chunk) => chunk.fileName));
  const nodeImports = output
    .flatMap((chunk) => ("imports" in chunk ? chunk.imports : []))
    .filter((id) => !files.has(id));
  const code = loadedAtOnce(output)
    .map((chunk) => chunk.code)
    .join("");
  const kib = gzipSync(code).length / 1024;
  console.log(`client for browsers, ${transport}: ${kib.toFixed(1)} KiB (limit ${limitKib})`);
  if (nodeImports.length > 0) console.error(`it imports ${nodeImports.join(", ")}`);
  return kib <= limitKib && nodeImports.length === 0;
}

/** The modules that a page loads before its first call: the entry and its static imports, without dynamic ones. */
function loadedAtOnce(output: RolldownOutput["output"]): OutputChunk[] {
  const chunks = new Map(output.flatMap((chunk) => (chunk.type === "chunk" ? [[chunk.fileName, chunk] as const] : [])));
  const found = new Set<OutputChunk>();
  const add = (chunk: OutputChunk | undefined) => {
    if (chunk === undefined || found.has(chunk)) return;
    found.add(chunk);
    for (const id of chunk.imports) add(chunks.get(id));
  };
  for (const chunk of chunks.values()) if (chunk.isEntry) add(chunk);
  return [...found];
}
