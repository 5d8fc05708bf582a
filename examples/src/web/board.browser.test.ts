import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { launchChromium } from "../../../clients/ts/test/browser/launch.ts";
import { type FlakyProxy, flakyProxy } from "../../../conformance/src/lab/flaky-proxy.ts";
import { examplePath, testFolder } from "../process/example.ts";
import { type Program, runProgram } from "../process/run-program.ts";

/** The picture of the documentation. UPDATE_SCREENSHOTS=1 makes the test replace it. */
const PICTURE = "docs/images/flight-board.png";
const MOST_PICTURE_BYTES = 150_000;
const PHONE = { width: 390, height: 760 };
const DESKTOP = { width: 1_100, height: 760 };

let browser: Browser;
let program: Program;
let proxy: FlakyProxy;
/** The folder in which the program makes its temporary folder. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "streamkit-example-"));
  program = startProgram();
  [browser, proxy] = await Promise.all([launchChromium(), portOf(program).then((port) => flakyProxy(port))]);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await proxy?.[Symbol.asyncDispose]();
  program?.child.kill("SIGKILL");
  await program?.exit;
  await rm(folder, { recursive: true, force: true });
});

function startProgram(): Program {
  const env = { PORT: "0", FLIGHTS_PER_SECOND: "20", TMPDIR: folder };
  return runProgram(examplePath("web/main"), { env });
}

async function portOf(started: Program): Promise<number> {
  const [, port] = await started.outputMatching(/flight board: http:\/\/127\.0\.0\.1:(\d+)/);
  return Number(port);
}

interface Look {
  readonly viewport?: { readonly width: number; readonly height: number };
  readonly colorScheme?: "light" | "dark";
}

/** Opens the board, and collects faults: errors of the page, and messages on its console. */
async function openBoard({ viewport = PHONE, colorScheme = "light" }: Look = {}): Promise<{
  page: Page;
  faults: string[];
}> {
  const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: 2, reducedMotion: "reduce" });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("console", (message) => faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.goto(proxy.url);
  await page.locator("#state[data-state=live]").waitFor();
  return { page, faults };
}

/** Flights that the board has received. */
async function total(page: Page): Promise<number> {
  const text = (await page.locator("#count").textContent()) ?? "";
  return Number.parseInt(text.replace(",", ""), 10);
}

const texts = (page: Page, selector: string) => page.locator(selector).allTextContents();

test("rows arrive live, newest first, and the filter shows one airport", async () => {
  const { page, faults } = await openBoard();
  const before = await total(page);
  expect(before).toBeGreaterThanOrEqual(60);
  await expect.poll(() => total(page)).toBeGreaterThan(before + 5);
  const [airport] = await texts(page, "tbody td:nth-child(2) b");
  await page.selectOption("#airport", airport);
  expect(new Set(await texts(page, "tbody td:nth-child(2) b"))).toEqual(new Set([airport]));
  await page.selectOption("#airport", "");
  const times = await page.evaluate(() => Array.from(document.querySelectorAll("time"), ({ dateTime }) => dateTime));
  expect(times.length).toBeGreaterThan(50);
  expect(times).toEqual(times.toSorted().reverse());
  expect(faults).toEqual([]);
});

test("the board says that it reconnects, and since when, and goes on without a reload", async () => {
  const { page } = await openBoard();
  const { target } = proxy;
  proxy.target = undefined;
  proxy.cut();
  const state = page.locator("#state");
  await state.filter({ hasText: /^Reconnecting since \d\d:\d\d:\d\d$/ }).waitFor();
  await page.screenshot({ path: join(await pictureFolder(), "reconnecting.png") });
  const before = await total(page);
  proxy.target = target;
  await state.filter({ hasText: /^Live$/ }).waitFor();
  await expect.poll(() => total(page)).toBeGreaterThan(before);
});

test("a page whose server was replaced by one with other data loads itself again", async () => {
  const { page } = await openBoard();
  const { target } = proxy;
  const other = startProgram();
  try {
    proxy.target = await portOf(other);
    const loaded = page.waitForEvent("load");
    proxy.cut();
    await loaded;
    await page.locator("#state[data-state=live]").waitFor();
  } finally {
    proxy.target = target;
    other.child.kill("SIGTERM");
    await other.exit;
  }
});

test.each([
  { name: "phone-light", viewport: PHONE, colorScheme: "light" },
  { name: "phone-dark", viewport: PHONE, colorScheme: "dark" },
  { name: "desktop-light", viewport: DESKTOP, colorScheme: "light" },
  { name: "desktop-dark", viewport: DESKTOP, colorScheme: "dark" },
] as const)("the board renders rows without errors, and fits: $name", async ({ name, ...look }) => {
  const { page, faults } = await openBoard(look);
  const shown = page.locator("tbody tr");
  expect(await shown.count()).toBeGreaterThan(50);
  const path = join(await pictureFolder(), `${name}.png`);
  const picture = await page.screenshot({ path });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  expect(faults).toEqual([]);
  if (name !== "phone-light") return;
  if (process.env.UPDATE_SCREENSHOTS === "1") {
    await mkdir("docs/images", { recursive: true });
    await copyFile(path, PICTURE);
  }
  const kept = await readFile(PICTURE);
  expect(kept.length).toBeLessThan(MOST_PICTURE_BYTES);
  expect(sizeOf(kept)).toEqual(sizeOf(picture));
});

test("Ctrl+C ends the program, which removes its data", async () => {
  expect(await readdir(folder)).toEqual([expect.stringMatching(/^streamkit-board-/)]);
  program.child.kill("SIGINT");
  expect(await program.exit, program.output()).toBe(0);
  expect(await readdir(folder)).toEqual([]);
});

/** Folder for pictures: one that lasts, if SCREENSHOTS names it. */
async function pictureFolder(): Promise<string> {
  return process.env.SCREENSHOTS ?? testFolder();
}

/** Width and height of a PNG. */
function sizeOf(png: Buffer): [number, number] {
  expect(png.toString("latin1", 1, 4)).toBe("PNG");
  return [png.readUInt32BE(16), png.readUInt32BE(20)];
}
