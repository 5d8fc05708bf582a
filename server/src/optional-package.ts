import { createRequire } from "node:module";

/**
 * Loads a package that only some users install: those who use the part of the server that needs it.
 *
 * @param name of an optional peer dependency
 * @param purpose subject of the message: "a bus over Redis"
 * @throws Error that says what to install when the package is missing
 */
export function requirePackage<T>(name: string, purpose: string): T {
  try {
    return createRequire(import.meta.url)(name) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw cause;
    throw new Error(`${purpose} needs the package ${name}: npm install ${name}`, { cause });
  }
}
