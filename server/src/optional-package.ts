import { createRequire } from "node:module";

/**
 * Loads an optional package, for a part of the server that needs it.
 *
 * @param name of an optional peer dependency
 * @param purpose subject of the message: "a bus over Redis"
 * @throws Error if the package is not installed; the message gives the command that installs it
 */
export function requirePackage<T>(name: string, purpose: string): T {
  try {
    return createRequire(import.meta.url)(name) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw cause;
    throw new Error(`${purpose} needs the package ${name}: npm install ${name}`, { cause });
  }
}
