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

/** The help text. */
export const USAGE = `npm run bench -- [WORKLOAD ...] [options]

  WORKLOAD         ids of workloads, as listed below; default: all
  --runs N         rounds that count, after one warm-up; default 5
  --records N      records of the bulk workloads, default 1000000; the other workloads scale along
  --only A,B       only subjects whose label contains A or B, for work on one of them
  --write          write bench/RESULTS.md, or the parts of it that belong to the workloads; only for all subjects
  --profile DIR    leave CPU profiles of Streamkit's server and clients in DIR (figures then suffer)
  --data DIR       keep the servers' data below DIR instead of the system's folder for temporary files
`;

/** Reads the command line; throws with a message for the user. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      runs: { type: "string", default: "5" },
      records: { type: "string", default: "1000000" },
      only: { type: "string", default: "" },
      write: { type: "boolean", default: false },
      profile: { type: "string" },
      data: { type: "string" },
    },
  });
  const options = {
    workloads: positionals.map((id) => id.toUpperCase()),
    runs: positive("--runs", values.runs),
    records: positive("--records", values.records),
    only: values.only.split(",").filter((part) => part !== ""),
    write: values.write,
    profileFolder: values.profile,
    dataFolder: values.data,
  };
  if (options.write && (options.only.length > 0 || options.profileFolder !== undefined)) {
    throw new Error("--write is for complete workloads: without --only and --profile");
  }
  return options;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${option}: expected a positive integer, got ${text}`);
  return value;
}
