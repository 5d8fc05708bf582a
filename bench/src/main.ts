/** Runs the benchmarks. See harness/options.ts for the command line. */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { makeDataFolder, removeDataFolder } from "./harness/data-folder.ts";
import { parseOptions, USAGE } from "./harness/options.ts";
import type { RunContext } from "./harness/workload.ts";
import { writeResults } from "./report/results.ts";
import type { Section } from "./report/section.ts";
import { toText } from "./report/table.ts";
import { stopAllProcesses } from "./tools/processes.ts";
import { WORKLOADS } from "./workloads/index.ts";

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(USAGE);
  for (const { id, title } of WORKLOADS) console.log(`  ${id.padEnd(16)} ${title}`);
  process.exit();
}
const options = parseOptions(args);
const unknown = options.workloads.filter((id) => !WORKLOADS.some((workload) => workload.id === id));
if (unknown.length > 0) throw new Error(`unknown workloads: ${unknown.join(", ")}\n\n${USAGE}`);

const profileFolder = options.profileFolder === undefined ? undefined : resolve(options.profileFolder);
if (profileFolder !== undefined) await mkdir(profileFolder, { recursive: true });
const folder = await makeDataFolder(options.dataFolder);

let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    interrupted = true;
    // The workload fails once its processes end, and the code below cleans up.
    void stopAllProcesses();
  });
}

try {
  await runWorkloads();
} catch (error) {
  if (!interrupted) throw error;
  process.exitCode = 130;
} finally {
  await stopAllProcesses();
  await removeDataFolder(folder);
}

async function runWorkloads(): Promise<void> {
  const context: RunContext = { ...options, folder, profileFolder, progress: (line) => console.error(line) };
  const sections: Section[] = [];
  for (const workload of WORKLOADS) {
    if (options.workloads.length > 0 && !options.workloads.includes(workload.id)) continue;
    const section = await workload.run(context);
    sections.push(section);
    console.log(`\n${section.heading}\n`);
    for (const note of section.notes) console.log(`- ${note}`);
    for (const table of section.tables) console.log(`\n${toText(table)}`);
  }
  if (options.write) {
    const command = ["npm run bench --", ...args].join(" ");
    const complete = sections.length === WORKLOADS.length;
    await writeResults(new URL("../RESULTS.md", import.meta.url), command, complete, sections);
  }
}
