import { afterEach, expect, test, vi } from "vitest";
import { diagnoseFetch } from "./diagnose.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

function onPage(url: string): void {
  vi.stubGlobal("document", {});
  vi.stubGlobal("location", new URL(url));
}

const answers = async () => new Response();
const fails = async () => {
  throw new TypeError("Failed to fetch");
};
const never = () => expect.fail("nothing was to be asked");

test("M13: a page that was loaded over TLS may not call a server without, but for one on its machine", async () => {
  onPage("https://app.example/");
  expect(await diagnoseFetch(new URL("http://streams.example"), never)).toMatch(/serve Streamkit with TLS/);
  expect(await diagnoseFetch(new URL("http://127.0.0.1:8080"), fails)).toBeUndefined();
  expect(await diagnoseFetch(new URL("http://localhost:8080"), fails)).toBeUndefined();
});

test("M13: what answers without permission withholds its answers; what does not may be down", async () => {
  onPage("http://app.example:3000/page");
  const asked: [string, RequestInit | undefined][] = [];
  const fetch = async (url: string | URL | Request, init?: RequestInit) => {
    asked.push([String(url), init]);
    return answers();
  };
  expect(await diagnoseFetch(new URL("http://streams.example"), fetch)).toContain(
    "--cors-origin http://app.example:3000",
  );
  expect(asked).toMatchObject([["http://streams.example/", { mode: "no-cors", credentials: "omit" }]]);
  expect(await diagnoseFetch(new URL("http://streams.example"), fails)).toBeUndefined();
});

test("M13: the page's own server, and programs that are no pages, have no such permissions", async () => {
  expect(await diagnoseFetch(new URL("http://streams.example"), never)).toBeUndefined();
  onPage("http://app.example/");
  expect(await diagnoseFetch(new URL("http://app.example/streams"), never)).toBeUndefined();
});
