import type { Browser } from "playwright-core";
import { expect } from "vitest";

/** A page that Chromium hides and freezes as it does for users. */
export interface SleepyPage extends AsyncDisposable {
  /** The value of an expression in the page, which JSON can carry. */
  evaluate(expression: string): Promise<unknown>;
  /** Resolves when the expression is true in the page. */
  waitFor(expression: string): Promise<void>;
  /** Hides the page and stops its timers and events, or lets them run again. */
  setState(state: "frozen" | "active"): Promise<void>;
  /** Makes the page visible. */
  show(): Promise<void>;
}

interface Answer {
  readonly id: number;
  readonly result?: { readonly result?: { readonly value?: unknown }; readonly exceptionDetails?: unknown };
  readonly error?: unknown;
}

/**
 * Opens a page in the default profile, which Playwright leaves alone, and drives it over the protocol of the developer
 * tools.
 */
export async function openSleepyPage(browser: Browser, url: string): Promise<SleepyPage> {
  const tools = await browser.newBrowserCDPSession();
  const { targetId } = await tools.send("Target.createTarget", { url });
  const { sessionId } = await tools.send("Target.attachToTarget", { targetId, flatten: false });
  const waiting = new Map<number, (answer: Answer) => void>();
  tools.on("Target.receivedMessageFromTarget", ({ message }) => {
    const answer: Answer = JSON.parse(message);
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  let lastId = 0;
  const send = async (method: string, params: object) => {
    lastId += 1;
    const id = lastId;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    waiting.set(id, resolve);
    await tools.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) });
    const { result, error } = await promise;
    const fault = error ?? result?.exceptionDetails;
    if (fault !== undefined) throw new Error(`${method}: ${JSON.stringify(fault)}`);
    return result?.result?.value;
  };
  const evaluate = (expression: string) =>
    send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  return {
    evaluate,
    waitFor: (expression) => expect.poll(() => evaluate(expression)).toBe(true),
    async setState(state) {
      await send("Page.setWebLifecycleState", { state });
    },
    async show() {
      await send("Emulation.setFocusEmulationEnabled", { enabled: true });
    },
    async [Symbol.asyncDispose]() {
      await tools.send("Target.closeTarget", { targetId });
      await tools.detach();
    },
  };
}
