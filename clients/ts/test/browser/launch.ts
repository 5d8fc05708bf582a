import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/**
 * Starts Chromium without a window, without anything that would call home, and with all names `*.test` on this machine.
 *
 * @param rules further rules of host names, such as `MAP a.test 127.0.0.1:8080`
 * @throws Error if there is no Chromium
 */
export async function launchChromium(rules: readonly string[] = []): Promise<Browser> {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) {
    const advice = "install it with: sudo apt-get install chromium; or set CHROMIUM to the path of another one";
    throw new Error(`there is no Chromium at ${executablePath}: ${advice}`);
  }
  return await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-dev-shm-usage",
      `--host-resolver-rules=${[...rules, "MAP *.test 127.0.0.1", "EXCLUDE 127.0.0.1"].join(", ")}`,
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-proxy-server",
    ],
  });
}
