/** The contracts of the server's ports, as test suites: one for storage, one for buses. */
export * from "./bus/contract/index.ts";
export * from "./storage/contract/index.ts";
