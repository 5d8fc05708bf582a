import { existsSync } from "node:fs";
import type { ClientFactory } from "./client-under-test.ts";

/** Origin of the page that the clients in Chromium live in. Servers must allow it. */
export const PAGE_ORIGIN = "http://conformance.test";

/** The clients under test that live in a page of Chromium, with their names in the page. */
export const PAGE_CLIENTS: Readonly<Record<string, string>> = { "raw-chromium": "raw", "sdk-chromium": "sdk" };

/** The repository's tool that starts Chromium. The package does not contain it. */
const TOOL = new URL("../../chromium/chromium.ts", import.meta.url);

/** A browser with a page that clients under test live in. */
export interface Pages extends AsyncDisposable {
  /** Returns a factory of clients with the given name in the page. */
  client(name: string): ClientFactory;
}

/** @throws Error outside of the repository, and if there is no Chromium */
export async function startPages(): Promise<Pages> {
  if (!existsSync(TOOL)) throw new Error("clients in Chromium run in the repository of Streamkit only");
  const tool: { startPages(): Promise<Pages> } = await import(TOOL.href);
  return tool.startPages();
}
