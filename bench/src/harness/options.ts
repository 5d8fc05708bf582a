import { parseArgs } from "node:util";

/** The options of the command line. */
export interface Options {
  /** Ids of workloads, in upper case; empty: all. */
  readonly workloads: readonly string[];
  readonly runs: number;
  readonly records: number;
  readonly only: readonly string[];
  readonly write: boolean;
  readonly profileFolder: string | undefined;
  readonly dataFolder: string | undefined;
}

/** The preset of `--quick`: the workloads that compare daily work with peers, small enough for a few minutes. */
const QUICK = { workloads: ["W1", "W2", "W3", "W4", "W6"], runs: "2", records: "50000" };
const FULL = { workloads: [], runs: "5", records: "1000000" };

/** The help text. */
export const USAGE = `npm run bench -- [WORKLOAD ...] [options]

  WORKLOAD         ids of workloads, as listed below; default: all
  --quick          for daily use, under 5 minutes: ${QUICK.workloads.join(" ")}, --runs ${QUICK.runs}, --records ${QUICK.records}; workloads,
                   --runs and --records beside it come first
  --runs N         rounds that count, after one warm-up; default ${FULL.runs}
  --records N      records of the bulk workloads, default ${FULL.records}; the other workloads scale along
  --only A,B       only subjects whose label contains A or B, for work on one of them
  --write          write bench/RESULTS.md, or the parts of it that belong to the workloads; only for all
                   subjects, and not for --quick
  --profile DIR    leave CPU profiles of Streamkit's server and clients in DIR (figures then suffer)
  --data DIR       keep the servers' data below DIR instead of the system's folder for temporary files
`;

/** Reads the command line; throws with a message for the user. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      runs: { type: "string" },
      records: { type: "string" },
      only: { type: "string", default: "" },
      write: { type: "boolean", default: false },
      profile: { type: "string" },
      data: { type: "string" },
    },
  });
  const preset = values.quick ? QUICK : FULL;
  const options = {
    workloads: positionals.length > 0 ? positionals.map((id) => id.toUpperCase()) : preset.workloads,
    runs: positive("--runs", values.runs ?? preset.runs),
    records: positive("--records", values.records ?? preset.records),
    only: values.only.split(",").filter((part) => part !== ""),
    write: values.write,
    profileFolder: values.profile,
    dataFolder: values.data,
  };
  if (options.write && (options.only.length > 0 || options.profileFolder !== undefined || values.quick)) {
    throw new Error("--write is for complete workloads: without --only, --profile and --quick");
  }
  return options;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${option}: expected a positive integer, got ${text}`);
  return value;
}
