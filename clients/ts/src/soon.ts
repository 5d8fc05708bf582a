/**
 * Calls back once whatever is ready now has run: after the microtasks and, where the platform can tell, after pending
 * I/O. A timer of 0 ms would take a whole millisecond, four in browsers.
 */
export const soon: (callback: () => void) => void =
  typeof setImmediate === "function" ? (callback) => void setImmediate(callback) : messageTask;

function messageTask(callback: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    callback();
  };
  port2.postMessage(undefined);
}
