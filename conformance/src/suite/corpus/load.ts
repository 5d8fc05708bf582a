import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Case, CaseFileSchema, CaseSchema } from "@streamkit/protocol/conformance";
import { parse } from "yaml";
import { checkCredentials } from "./actors.ts";
import { isObject } from "./json.ts";
import { fillVariant } from "./scope.ts";

/** Folder of the cases that come with the suite. */
const CASES_FOLDER = fileURLToPath(new URL("../../../cases", import.meta.url));

/**
 * Reads every `*.yaml` file of a folder strictly. Returns one case per variant.
 *
 * @throws Error with the name of the file if its YAML does not fit the schema, or if an id occurs twice
 */
export function loadCases(folder: string = CASES_FOLDER): Case[] {
  const cases: Case[] = [];
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith(".yaml")) continue;
    try {
      cases.push(...parseCases(readFileSync(join(folder, file), "utf8")));
    } catch (error) {
      throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
    }
  }
  const seen = new Set<string>();
  for (const { id } of cases) {
    if (seen.has(id)) throw new Error(`two cases have the id ${id}`);
    seen.add(id);
  }
  return cases;
}

/** Parses the text of one case file. */
export function parseCases(text: string): Case[] {
  const file = parse(text) as JsonValue;
  if (!isObject(file)) throw new Error("the file is not a case file; expected an object with title and cases");
  const raw = Array.isArray(file.cases) ? file.cases : [];
  fromJson(CaseFileSchema, { ...file, cases: [] });
  return raw.flatMap((each) => {
    if (!isObject(each)) throw new Error("a case is not an object");
    try {
      return expandVariants(each).map((one) => checked(fromJson(CaseSchema, one)));
    } catch (error) {
      throw new Error(`${String(each.id)}: ${(error as Error).message}`, { cause: error });
    }
  });
}

function expandVariants(template: JsonObject): JsonObject[] {
  const { variants, ...story } = template;
  if (variants === undefined) return [story];
  if (!Array.isArray(variants) || variants.length === 0) throw new Error("variants is not a list with elements");
  return variants.map((variant) => {
    if (!isObject(variant) || typeof variant.id !== "string") throw new Error("a variant is not an object with an id");
    const filled = fillVariant(story, variant) as JsonObject;
    return { ...filled, id: `${String(story.id)}-${variant.id}` };
  });
}

function checked(one: Case): Case {
  if (!/^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*$/.test(one.id))
    throw new Error(`the id ${one.id} is malformed; expected upper-case words with dashes`);
  if (one.title === "" || one.title.endsWith(".")) throw new Error("the title is missing or ends with a full stop");
  if (one.clauses.length === 0) throw new Error("the case names no clause");
  if (one.steps.length === 0) throw new Error("the case has no steps");
  checkCredentials(one);
  for (const [index, step] of one.steps.entries()) {
    if (step.action.case === undefined) throw new Error(`step ${index + 1} has no action`);
  }
  return one;
}
