import type { ReadState } from "@streamkit/client";
import { element } from "./element.ts";

/** Shows whether the board is live; if not, since when. */
export class ConnectionView {
  readonly #state = element("state");
  #lostAt: Date | undefined;

  show(state: ReadState): void {
    switch (state.name) {
      case "live":
      case "caughtUp":
        this.#lostAt = undefined;
        this.#set("live", "Live");
        return;
      case "retrying":
        this.#lostAt ??= new Date();
        this.#set("reconnecting", `Reconnecting since ${clockTime(this.#lostAt)}`);
        return;
      case "ended":
        this.#lostAt = undefined;
        this.#set("ended", state.reason?.message ?? "Ended");
        return;
      default:
        if (this.#lostAt === undefined) this.#set("connecting", "Connecting");
    }
  }

  #set(name: string, text: string): void {
    this.#state.dataset.state = name;
    this.#state.textContent = text;
    document.body.dataset.state = name;
  }
}

/** Hours, minutes and seconds, in the form of the page's reader. */
function clockTime(date: Date): string {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}
