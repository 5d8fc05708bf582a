/** Azure's SDK, an optional package. No other file loads it. */
import { createRequire } from "node:module";
import { requirePackage } from "../../optional-package.ts";

type Tables = typeof import("@azure/data-tables");
type Pipeline = typeof import("@azure/core-rest-pipeline");

/** The part of the SDK that the backend uses. */
export interface Sdk {
  readonly tables: Tables;
  readonly pipeline: Pipeline;
  readonly httpClient: ReturnType<Pipeline["createDefaultHttpClient"]>;
}

let loaded: Sdk | undefined;

/** @throws Error if the SDK is not installed; the message names the package */
export function sdk(): Sdk {
  loaded ??= load();
  return loaded;
}

function load(): Sdk {
  const name = "@azure/data-tables";
  const tables = requirePackage<Tables>(name, "storage in Azure Tables");
  // Takes the copy that data-tables depends on, so that users need not install a second package.
  const require = createRequire(createRequire(import.meta.url).resolve(name));
  const pipeline = require("@azure/core-rest-pipeline") as Pipeline;
  return { tables, pipeline, httpClient: pipeline.createDefaultHttpClient() };
}
