/** Azure's SDK, which only those install who keep data there. The one place that loads it. */
import { createRequire } from "node:module";
import { requirePackage } from "../../optional-package.ts";

type Tables = typeof import("@azure/data-tables");
type Pipeline = typeof import("@azure/core-rest-pipeline");

/** The part of the SDK that is used. */
export interface Sdk {
  readonly tables: Tables;
  readonly pipeline: Pipeline;
  readonly httpClient: ReturnType<Pipeline["createDefaultHttpClient"]>;
}

let loaded: Sdk | undefined;

/** @throws Error that says what to install when the SDK is missing */
export function sdk(): Sdk {
  loaded ??= load();
  return loaded;
}

function load(): Sdk {
  const name = "@azure/data-tables";
  const tables = requirePackage<Tables>(name, "storage in Azure Tables");
  // A dependency of data-tables: its own copy, so that nobody has to install it beside.
  const require = createRequire(createRequire(import.meta.url).resolve(name));
  const pipeline = require("@azure/core-rest-pipeline") as Pipeline;
  return { tables, pipeline, httpClient: pipeline.createDefaultHttpClient() };
}
