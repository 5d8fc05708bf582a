import { uuidProblem } from "../../engine/names.ts";
import { choice, type Option, text, toggle, UnusableValue } from "../option.ts";
import { OPTIONS } from "../options.ts";

/** The options of the storage, as the server has them. */
const { storage, path, requireData, azureConnectionString, azureEndpoint } = OPTIONS;
const STORAGE = { storage, path, requireData, azureConnectionString, azureEndpoint };

const file = (help: string) => text({ value: "FILE", default: "-", help });
const help = toggle({ letter: "h", help: "prints this" });

const storeId = (help: string): Option<string | undefined> => {
  const option = text({ value: "UUID", help });
  return {
    ...option,
    parse(texts) {
      const id = option.parse(texts) ?? "";
      const problem = uuidProblem(id);
      if (problem === undefined) return id.toLowerCase();
      throw new UnusableValue(id, "a UUID: 36 characters in the form 8-4-4-4-12");
    },
  };
};

/** Options of `streamkit-server export`, in the order of its help. docs/export.md lists them too. */
export const EXPORT_OPTIONS = {
  store: storeId("the store to export; required"),
  space: text({ value: "NAME", help: "only this space" }),
  segment: text({ value: "NAME", help: "only this segment of --space" }),
  since: text({ value: "FILE", help: "the previous export: writes only what came after it" }),
  cursors: toggle({ help: "exports the cursors of the store too" }),
  file: file('where to write; "-" for the standard output'),
  format: choice(["copy", "ndjson", "cloudevents"], {
    value: "FORMAT",
    default: "copy",
    help: "copy: exact, for import; ndjson, cloudevents: lines of JSON to read",
  }),
  payload: choice(["auto", "json", "text", "base64"], {
    value: "FORM",
    default: "auto",
    help: "payloads in lines; auto takes JSON, else text, else Base64",
  }),
  compression: choice(["zstd", "none"], { value: "KIND", default: "zstd", help: "of a copy: zstd or none" }),
  ...STORAGE,
  help,
} as const;

/** Options of `streamkit-server import`. */
export const IMPORT_OPTIONS = {
  file: file('what to read; "-" for the standard input'),
  store: storeId("the store to write; default: the one that was exported"),
  cursors: toggle({ help: "sets the cursors of the file too" }),
  format: choice(["copy", "ndjson"], {
    value: "FORMAT",
    default: "copy",
    help: "copy: a file of export; ndjson: lines of JSON, which become new entries",
  }),
  space: text({ value: "NAME", help: 'with ndjson: space of lines without "space"' }),
  segment: text({ value: "NAME", help: 'with ndjson: segment of lines without "segment"' }),
  ...STORAGE,
  help,
} as const;

/** Options of `streamkit-server verify`. */
export const VERIFY_OPTIONS = {
  file: file('what to read; "-" for the standard input'),
  json: toggle({ help: "prints the result as JSON" }),
  help,
} as const;

/** The values of a table of options. */
export type ValuesOf<T extends Readonly<Record<string, Option<unknown>>>> = {
  readonly [Name in keyof T]: T[Name] extends Option<infer V> ? V : never;
};
