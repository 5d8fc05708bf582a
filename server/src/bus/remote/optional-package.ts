import { createRequire } from "node:module";

/**
 * Loads a client library, which only those install who use the bus that needs it.
 *
 * @throws Error that names the package when it is not installed.
 */
export function requirePackage<T>(name: string, purpose: string): T {
  try {
    return createRequire(import.meta.url)(name) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw cause;
    throw new Error(`${purpose} needs the package ${name}: npm install ${name}`, { cause });
  }
}
